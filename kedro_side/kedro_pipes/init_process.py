"""What the first process of a container has to do, where no init process does it.

The kernel keeps most signals from the first process, its own `kill -9` and SIGTERM among them, and
gives it every orphan to reap. So the worker runs as its child. Must not import kedro.
"""

from __future__ import annotations

import os
import signal
import sys

_FIRST = 1
_SIGNALLED = 128
_HANDED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def become_init() -> None:
    """In the first process of a container, go on in a child and look after it; else do nothing.

    The first process ends with the child's exit code, or 128 and the signal that has ended it, and
    with it the kernel ends whatever else is left.
    """
    if os.getpid() != _FIRST:
        return
    # None may come before there is somebody to hand it to.
    signal.pthread_sigmask(signal.SIG_BLOCK, _HANDED_ON)
    child = os.fork()
    if child == 0:
        # A group of its own, which is what the guardian ends.
        os.setpgid(0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDED_ON)
        return
    for number in _HANDED_ON:
        signal.signal(number, lambda received, _: os.kill(child, received))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDED_ON)
    os._exit(_wait_for(child))


def _wait_for(child: int) -> int:
    """Reap whatever ends, and return how the child did."""
    while True:
        ended, status = os.wait()
        if ended == child:
            sys.stdout.flush()
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else _SIGNALLED - code
