"""A process that works for a Pipes session: from the context that it is given to its exit code.

Knows neither the nodes nor Kedro, which must not be imported before the environment is prepared.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from dagster_pipes import (
    PipesContext,
    PipesContextLoader,
    PipesDefaultContextLoader,
    PipesParamsLoader,
)
from kedro_manifest import __version__
from kedro_manifest.errors import InvocationError, NoKedroError
from kedro_manifest.invocation import BUCKET_PARAM, Invocation, decode_invocation, unknown_fields

from kedro_pipes.worker.channel import NumberedMessageWriter
from kedro_pipes.worker.output import MarkedOutput
from kedro_pipes.worker.pipes_context import WorkerPipesContext

if TYPE_CHECKING:
    from kedro_pipes.worker.reports import PipesReports

Work = Callable[[Invocation, "PipesReports"], None]


def work_under_pipes(
    params: PipesParamsLoader, writer: NumberedMessageWriter, output: MarkedOutput, work: Work
) -> int:
    """Do what a Pipes context asks for; return the exit code.

    Args:
        params: Where the context is, and where messages go.
        writer: Writes them.
        output: The process's streams.
        work: Does it.
    """
    pipes = WorkerPipesContext(params, _context_loader(params), writer)
    PipesContext.set(pipes)
    try:
        with pipes:
            invocation = decode_invocation(dict(pipes.extras))
            if unknown := unknown_fields(dict(pipes.extras)):
                pipes.log.warning(
                    f"Passed over {', '.join(f'`{name}`' for name in unknown)} of what "
                    f"{invocation.sender} asks: this worker has {__version__}, and does not know it. "
                    "Upgrade kedro-dagster-pipes in the worker's environment."
                )
            try:
                from kedro_pipes.worker.reports import PipesReports  # noqa: PLC0415 - imports kedro
            except ModuleNotFoundError as error:
                if error.name != "kedro":
                    raise
                raise NoKedroError.here(sys.executable) from None
            work(invocation, PipesReports(pipes, output))
    except InvocationError as error:
        output.copying()  # it went out with the closing message
        return refuse(error)
    except BaseException:  # noqa: BLE001 - a node's `sys.exit(0)` is a failure as well
        output.copying()
        return show_traceback()
    return 0


def _context_loader(params: PipesParamsLoader) -> PipesContextLoader:
    if BUCKET_PARAM in params.load_context_params():
        # Wanted only where the context is there: fsspec takes time to import.
        from kedro_pipes.worker.object_messages import ObjectContextLoader  # noqa: PLC0415

        return ObjectContextLoader()
    return PipesDefaultContextLoader()


def refuse(error: InvocationError) -> int:
    """Say why nothing was started; return the exit code."""
    sys.stderr.write(f"{error}\n")
    return 2


def show_traceback() -> int:
    """Show the exception that is being handled; return the exit code."""
    sys.excepthook(*sys.exc_info())
    return 1
