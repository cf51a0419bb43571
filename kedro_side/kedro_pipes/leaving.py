"""How a process of ours ends: all that an interpreter does at its end, short of taking itself down.

Taking down modules and libraries one by one frees what the system frees at once anyway, and takes a
tenth of a second where pandas is imported. Knows neither Kedro nor Pipes: every message has been
written, and the channel closed, before anybody calls this. Must not import kedro.
"""

from __future__ import annotations

import atexit
import gc
import io
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

TEARDOWN = "KEDRO_PIPES_TEARDOWN"
"""Set to 1 to have the interpreter taken down as ever, for a library that needs that."""
_FLUSHED = (io.BufferedWriter, io.BufferedRandom, io.TextIOWrapper)


def leave(code: int) -> int:
    """End the process with an exit code.

    Returns:
        The code, for who calls this to exit with in the ordinary way: where that is asked for, where
        a profiler or a debugger is to see the end, and where an output cannot be flushed, for which
        the interpreter has an exit code of its own.
    """
    if os.environ.get(TEARDOWN) == "1" or sys.getprofile() or sys.gettrace():
        return code
    run_ends()
    _flush_files()
    if flush_streams():
        os._exit(code)
    return code


def run_ends(besides: Callable[[], None] = lambda: None) -> None:
    """Wait for threads that are no daemons, then call what is registered for the end.

    Args:
        besides: What is to be called as well, last.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - as the interpreter does
    atexit._run_exitfuncs()  # noqa: SLF001 - `logging.shutdown` is among them
    besides()


def flush_streams() -> bool:
    """Flush standard output and error; return whether that worked."""
    return all([_flush(stream) for stream in (sys.stdout, sys.stderr)])  # noqa: C419 - both


def _flush(stream: Any) -> bool:
    try:
        if stream is not None and not stream.closed:
            stream.flush()
    except AttributeError:  # a stand-in for a stream
        pass
    except (OSError, ValueError):
        return False
    return True


def _flush_files() -> None:
    """Write out files that nobody has closed, and remove temporary ones, as their end would."""
    gc.unfreeze()
    closer = getattr(sys.modules.get("tempfile"), "_TemporaryFileCloser", None)
    for each in gc.get_objects():
        kind = type(each)
        if kind in _FLUSHED:
            with suppress(Exception):  # closed already, or nobody reads any more
                each.flush()
        elif kind is closer:
            with suppress(Exception):
                each.close()
