"""A tiny process beside the worker that ends it when the orchestrator is gone.

Forked before anything heavy is imported, so it costs a millisecond and survives whatever the
worker does: hold the GIL, ignore SIGTERM, run out of memory. It waits for the control pipe to
end, and then ends the worker's whole process group. Must not import kedro.

`python -m kedro_pipes.guardian COMMAND` gives a guardian to a program that has none of its own.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress

from kedro_manifest.invocation import CONTROL_VARIABLE, GRACE_VARIABLE

_DEFAULT_GRACE_S = 5.0
_POLL_S = 0.05
_PR_SET_PDEATHSIG = 1


def start_guardian() -> None:
    """Fork the guardian, if the client passed a control pipe and the system can fork."""
    control = os.environ.pop(CONTROL_VARIABLE, None)
    grace_s = float(os.environ.pop(GRACE_VARIABLE, _DEFAULT_GRACE_S))
    if control is None or not hasattr(os, "fork"):
        return
    descriptor = int(control)
    group = os.getpgrp()
    # Forked twice, so that the worker has no child that its own `wait` could find.
    child = os.fork()
    if child == 0:
        try:
            if os.fork() == 0:
                _guard(descriptor, group, grace_s)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(descriptor)
    if descriptor == 0:
        os.open(os.devnull, os.O_RDONLY)  # takes its number, which nothing else must get
        os.set_inheritable(0, True)  # noqa: FBT003
    _die_with_parent()


def _die_with_parent() -> None:
    """Ask Linux for a signal when the orchestrator dies: for when the guardian was killed too.

    The signal comes when the thread that started the worker ends; our clients start a worker in
    the thread that waits for it. It does not reach what the worker has started.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _guard(control: int, group: int, grace_s: float) -> None:
    # A session of its own: what ends the worker's group must not end its guardian.
    os.setsid()
    _close_all_but(control)
    if not os.read(control, 1):
        end_group(group, grace_s)


def end_group(group: int, grace_s: float) -> None:
    """Ask every process of a group to stop, then kill what is left after `grace_s` seconds."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGTERM)
        deadline = time.monotonic() + grace_s
        while time.monotonic() < deadline:
            time.sleep(_POLL_S)
            os.killpg(group, 0)
        os.killpg(group, signal.SIGKILL)


def _close_all_but(descriptor: int) -> None:
    """Let go of the worker's streams, or who reads them would wait for us."""
    if descriptor > 0:  # of an empty range, Python makes every descriptor there is
        os.closerange(0, descriptor)
    os.closerange(descriptor + 1, 1024)


def main(command: list[str]) -> None:
    """Start a guardian, and become another program."""
    start_guardian()
    try:
        os.execvp(command[0], command)  # noqa: S606 - the program is the user's own choice
    except OSError as error:
        sys.exit(f"Cannot start '{command[0]}': {error.strerror}.")


if __name__ == "__main__":
    main(sys.argv[1:])
