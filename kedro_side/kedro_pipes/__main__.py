"""`python -m kedro_pipes`: the worker; with a command after it, the command line.

Exit codes: 0 every node is finished; 1 something failed; 2 nothing was started.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from dagster_pipes import (
    PipesContext,
    PipesContextLoader,
    PipesDefaultContextLoader,
    PipesMappingParamsLoader,
)
from kedro_manifest.errors import InvocationError
from kedro_manifest.invocation import BUCKET_PARAM, MARKS_PARAM, decode_invocation, read_invocation

from kedro_pipes.environment import prepare_environment
from kedro_pipes.guardian import start_guardian
from kedro_pipes.worker.channel import NumberedMessageWriter
from kedro_pipes.worker.output import MarkedOutput
from kedro_pipes.worker.pipes_context import WorkerPipesContext

NOT_UNDER_PIPES = """\
This is the worker of kedro-dagster-pipes. It is started by Dagster, through Dagster Pipes,
and finds what to do in the variable DAGSTER_PIPES_CONTEXT, which is not set here.

To run one group of nodes by hand, in the project's directory:
    python -m kedro_pipes --invocation FILE     prints what it would report to Dagster
To write the project's manifest:
    python -m kedro_pipes export --help
"""


def main(arguments: list[str]) -> int:
    """Run the worker or a command; return the exit code."""
    if arguments and not arguments[0].startswith("-"):
        from kedro_pipes.cli import main as run_command  # noqa: PLC0415 - a worker needs no CLI

        return run_command(arguments)
    options = _parse(arguments)
    start_guardian()
    prepare_environment(Path.cwd())
    if options.invocation is not None:
        return _run_file(options.invocation)
    params = PipesMappingParamsLoader(os.environ)
    if not params.is_dagster_pipes_process():
        sys.stderr.write(NOT_UNDER_PIPES)
        return 2
    return _run_under_pipes(params)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m kedro_pipes",
        description="Run one group of Kedro nodes and report to Dagster.",
        epilog=NOT_UNDER_PIPES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--invocation",
        type=Path,
        metavar="FILE",
        help="JSON file that says what to run, for debugging without Dagster",
    )
    return parser.parse_args(arguments)


def _run_file(file: Path) -> int:
    try:
        invocation = read_invocation(file)
    except InvocationError as error:
        return _refuse(error)
    from kedro_pipes.worker.run import run_by_hand  # noqa: PLC0415 - imports kedro, see environment

    try:
        run_by_hand(invocation, Path.cwd())
    except BaseException:  # noqa: BLE001 - a node's `sys.exit(0)` is a failure as well
        return _show_traceback()
    return 0


def _run_under_pipes(params: PipesMappingParamsLoader) -> int:
    """Run what the Pipes context asks for."""
    writer = NumberedMessageWriter()
    output = MarkedOutput(writer.last_number)
    if params.load_messages_params().get(MARKS_PARAM):
        # Before Kedro is imported: handlers of `logging` keep the stream that they find then.
        output.replace_streams()
    pipes = WorkerPipesContext(params, _context_loader(params), writer)
    PipesContext.set(pipes)
    try:
        with pipes:
            invocation = decode_invocation(dict(pipes.extras))
            # Imports kedro, which the environment had to be prepared for.
            from kedro_pipes.worker.reports import PipesReports  # noqa: PLC0415
            from kedro_pipes.worker.run import run_invocation  # noqa: PLC0415

            run_invocation(invocation, PipesReports(pipes, output), Path.cwd())
    except InvocationError as error:
        output.copying()  # it went out with the closing message
        return _refuse(error)
    except BaseException:  # noqa: BLE001 - a node's `sys.exit(0)` is a failure as well
        output.copying()
        return _show_traceback()
    return 0


def _context_loader(params: PipesMappingParamsLoader) -> PipesContextLoader:
    if BUCKET_PARAM in params.load_context_params():
        # Wanted only where the context is there: fsspec takes time to import.
        from kedro_pipes.worker.object_messages import ObjectContextLoader  # noqa: PLC0415

        return ObjectContextLoader()
    return PipesDefaultContextLoader()


def _refuse(error: InvocationError) -> int:
    sys.stderr.write(f"{error}\n")
    return 2


def _show_traceback() -> int:
    sys.excepthook(*sys.exc_info())
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
