"""`python -m kedro_pipes`: the worker; with a command after it, the command line.

Exit codes: 0 every node is finished; 1 something failed; 2 nothing was started.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dagster_pipes import (
    DAGSTER_PIPES_CONTEXT_ENV_VAR,
    DAGSTER_PIPES_MESSAGES_ENV_VAR,
    PipesMappingParamsLoader,
)
from kedro_manifest.conducting import ORDERS_VARIABLE
from kedro_manifest.errors import InvocationError
from kedro_manifest.invocation import MARKS_PARAM, Invocation, read_invocation

from kedro_pipes.environment import prepare_environment
from kedro_pipes.garbage import put_off_search
from kedro_pipes.guardian import start_guardian, start_guardian_of_many
from kedro_pipes.init_process import become_init
from kedro_pipes.leaving import leave
from kedro_pipes.worker.channel import NumberedMessageWriter
from kedro_pipes.worker.output import MarkedOutput
from kedro_pipes.worker.pipes_process import refuse, show_traceback, work_under_pipes

if TYPE_CHECKING:
    from kedro_pipes.worker.reports import PipesReports

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
    put_off_search()
    options = _parse(arguments) if arguments else {}
    become_init()
    roster = None
    if ORDERS_VARIABLE in os.environ:
        roster = start_guardian_of_many()
    else:
        start_guardian()
    prepare_environment(Path.cwd())
    if "invocation" in options:
        return _run_file(Path(options["invocation"]))
    params = PipesMappingParamsLoader({**os.environ, **options})
    if not params.is_dagster_pipes_process():
        sys.stderr.write(NOT_UNDER_PIPES)
        return 2
    return _run_under_pipes(params, roster)


def _parse(arguments: list[str]) -> dict[str, str]:
    import argparse  # noqa: PLC0415 - under Dagster there is nothing to parse

    parser = argparse.ArgumentParser(
        prog="python -m kedro_pipes",
        description="Run one group of Kedro nodes and report to Dagster.",
        epilog=NOT_UNDER_PIPES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--invocation",
        metavar="FILE",
        help="JSON file that says what to run, for debugging without Dagster",
    )
    for name in (DAGSTER_PIPES_CONTEXT_ENV_VAR, DAGSTER_PIPES_MESSAGES_ENV_VAR):
        parser.add_argument(
            f"--{name.lower().replace('_', '-')}",
            dest=name,
            metavar="TEXT",
            help=f"the same as the variable {name}, from clients of places without variables",
        )
    return {name: value for name, value in vars(parser.parse_args(arguments)).items() if value}


def _run_file(file: Path) -> int:
    try:
        invocation = read_invocation(file)
    except InvocationError as error:
        return refuse(error)
    from kedro_pipes.worker.run import run_by_hand  # noqa: PLC0415 - imports kedro, see environment

    try:
        run_by_hand(invocation, Path.cwd())
    except BaseException:  # noqa: BLE001 - a node's `sys.exit(0)` is a failure as well
        return show_traceback()
    return 0


def _run_under_pipes(params: PipesMappingParamsLoader, roster: int | None) -> int:
    """Do what the Pipes context asks for."""
    writer = NumberedMessageWriter()
    output = MarkedOutput(writer.last_number)
    if params.load_messages_params().get(MARKS_PARAM):
        # Before Kedro is imported: handlers of `logging` keep the stream that they find then.
        output.replace_streams()

    def work(invocation: Invocation, reports: PipesReports) -> None:
        # Imports kedro, which the environment had to be prepared for.
        if roster is not None:
            from kedro_pipes.conductor.conduct import conduct  # noqa: PLC0415

            conduct(invocation, reports, Path.cwd(), roster)
        else:
            from kedro_pipes.worker.run import run_invocation  # noqa: PLC0415

            run_invocation(invocation, reports, Path.cwd())

    return work_under_pipes(params, writer, output, work)


if __name__ == "__main__":
    sys.exit(leave(main(sys.argv[1:])))
