"""What makes a worker of a process that has been forked from a conductor: a fresh one, nearly.

It has a process group and an output of its own, handlers of signals and of its end as a new
process has, and random numbers of its own. Knows processes, not what a worker does.
"""

from __future__ import annotations

import atexit
import importlib
import logging
import os
import signal
import sys
import traceback
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from kedro_pipes.conductor.seeds import Seeds
from kedro_pipes.guardian import die_with_parent, tell_guardian
from kedro_pipes.leaving import flush_streams, run_ends

_BORN = b"."


class NotBornError(OSError):
    """A forked process ended before it was a worker."""


def fork_worker(
    output: list[int],
    roster: int,
    seeds: Seeds,
    let_go: Callable[[], None],
    work: Callable[[], int],
) -> int:
    """Fork a process that works, and ends.

    Args:
        output: Descriptors of its standard output and error.
        roster: Where the guardian is told of its process group.
        seeds: Of random generators.
        let_go: Closes, in the new process, what is not for it.
        work: What it does; returns its exit code.

    Returns:
        The process, which is a worker by then.

    Raises:
        OSError: There is no room for another process, or nobody who would end it.
    """
    parent = os.getpid()
    born, bearing = os.pipe()
    flush_streams()
    process_id = os.fork()
    if process_id == 0:
        try:
            os.close(born)
            _separate(parent, output, roster)
            let_go()
            seeds.restore()
            inherited = _forget_ends()
            os.write(bearing, _BORN)
            os.close(bearing)
        except BaseException:  # noqa: BLE001 - whatever it is, no one else's code may go on here
            traceback.print_exc()
            os._exit(1)
        _work(work, inherited)
    os.close(bearing)
    try:
        if os.read(born, 1) != _BORN:
            os.waitpid(process_id, 0)
            raise NotBornError("the new process ended at once")
    finally:
        os.close(born)
    return process_id


def _separate(parent: int, output: list[int], roster: int) -> None:
    os.setsid()
    tell_guardian(roster, os.getpid(), begins=True)
    os.close(roster)
    die_with_parent()
    if os.getppid() != parent:
        os._exit(1)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for target, descriptor in enumerate(output, start=1):
        os.dup2(descriptor, target)
        os.close(descriptor)


def _work(work: Callable[[], int], inherited: Callable[[], None]) -> NoReturn:
    code = 1
    try:
        code = work()
        run_ends(inherited)
        logging.shutdown()
    except SystemExit:  # of a handler of the end
        pass
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
    finally:
        with suppress(BaseException):
            flush_streams()
        os._exit(code)


def _forget_ends() -> Callable[[], None]:
    """Forget what was to be done when the parent ends: it is the parent's to do.

    A temporary folder that the parent has made, for one, would be removed under it. What is
    registered from now on is the worker's own.

    Returns:
        What ends the worker's own part of what the standard library does at the end.
    """
    for finalizer in list(weakref.finalize._registry):  # type: ignore[attr-defined]  # noqa: SLF001
        finalizer.atexit = False
    atexit._clear()  # noqa: SLF001 - as `multiprocessing` does, too
    if util := _loaded("multiprocessing.util"):
        util._finalizer_registry.clear()  # noqa: SLF001
        util._run_after_forkers()  # noqa: SLF001

    def end() -> None:
        weakref.finalize._exitfunc()  # type: ignore[attr-defined]  # noqa: SLF001
        if util := _loaded("multiprocessing.util"):
            util._exit_function()  # noqa: SLF001

    return end


def _loaded(module: str) -> Any:
    return importlib.import_module(module) if module in sys.modules else None
