"""How a process of ours ends: all that an interpreter does at its end, short of taking itself down.

Taking down modules and libraries one by one frees what the system frees at once anyway. Knows
neither Kedro nor Pipes: every message has been written, and the channel closed, before anybody
calls this. Must not import kedro.
"""

from __future__ import annotations

import atexit
import os
import stat
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

TEARDOWN = "KEDRO_PIPES_TEARDOWN"
"""Set to 1 to have the interpreter taken down as ever, for a library that needs that."""
_STANDARD = 2
_TOOLS = 6
"""As many may watch a process by `sys.monitoring`."""
_DESCRIPTORS = Path("/dev/fd")


def leave(code: int) -> int:
    """End the process with an exit code, or return it.

    Returns:
        The code, for who calls this to exit with in the ordinary way: where that is asked for, where
        a profiler or a debugger is to see the end, where a file is open that may hold what is not
        written yet or that is to be removed, and where an output cannot be flushed, for which the
        interpreter has an exit code of its own.
    """
    if os.environ.get(TEARDOWN) == "1" or _is_watched():
        return code
    run_ends()
    if not _writes_files() and flush_streams():
        os._exit(code)
    return code


def _is_watched() -> bool:
    """Tell whether a profiler, a debugger or a measure of coverage is at work."""
    if sys.getprofile() or sys.gettrace():
        return True
    # Where they register since Python 3.12, by small numbers.
    monitoring = getattr(sys, "monitoring", None)
    return monitoring is not None and any(map(monitoring.get_tool, range(_TOOLS)))


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


def _writes_files() -> bool:
    """Tell whether a file or a pipe is open for writing, or nobody knows."""
    try:
        names = [each.name for each in _DESCRIPTORS.iterdir()]
    except OSError:
        return True
    return any(_is_written(int(name)) for name in names if int(name) > _STANDARD)


def _is_written(descriptor: int) -> bool:
    import fcntl  # noqa: PLC0415 - only where there are descriptors to list

    with suppress(OSError):  # it was that of the listing
        mode = os.fstat(descriptor).st_mode
        access = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
        return access != os.O_RDONLY and (stat.S_ISREG(mode) or stat.S_ISFIFO(mode))
    return False
