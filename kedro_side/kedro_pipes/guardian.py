"""A tiny process beside the worker that ends it when the orchestrator is gone.

Forked before anything heavy is imported, so it costs a millisecond and survives whatever the
worker does: hold the GIL, ignore SIGTERM, run out of memory. It waits for the control pipe to
end, and then ends the worker's whole process group. The guardian of a conductor also ends the
workers that it has forked, and does so when the conductor is gone as well. Must not import kedro.

`python -m kedro_pipes.guardian COMMAND` gives a guardian to a program that has none of its own.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from kedro_manifest.invocation import CONTROL_VARIABLE, GRACE_VARIABLE, LEASE_VARIABLE

from kedro_pipes.init_process import become_init

_DEFAULT_GRACE_S = 5.0
_POLL_S = 0.05
_PR_SET_PDEATHSIG = 1
_MOST_BYTES = 64 * 1024
_ALL_IS_WELL = b"."


def start_guardian() -> None:
    """Fork the guardian, if the client passed a control pipe and the system can fork."""
    lease = os.environ.pop(LEASE_VARIABLE, None)
    given = _take_control()
    if given is not None:
        control, grace_s = given
        group = os.getpgrp()

        def guard() -> None:
            if lease is None:
                _guard(control, group, grace_s)
            else:
                _guard_by_lease(control, group, grace_s, float(lease))

        _fork_guardian(control, {control}, guard)


def start_guardian_of_many() -> int:
    """Fork the guardian of a conductor.

    Returns:
        Where the process groups of workers are told it (see `tell_guardian`).
    """
    roster, telling = os.pipe()
    given = _take_control()
    if given is not None:
        control, grace_s = given
        group = os.getpgrp()
        _fork_guardian(
            control, {control, roster}, lambda: _guard_many(control, roster, group, grace_s)
        )
    os.close(roster)
    return telling


def tell_guardian(telling: int, process_id: int, *, begins: bool) -> None:
    """Tell a conductor's guardian that a worker's process group begins, or is gone.

    Raises:
        BrokenPipeError: There is no guardian, so that nobody would end the group.
    """
    os.write(telling, f"{'+' if begins else '-'}{process_id}\n".encode())


def die_with_parent() -> None:
    """Ask Linux for a signal when the parent dies: for when the guardian was killed too.

    The signal comes when the thread that started this process ends; our clients start a worker in
    the thread that waits for it. It does not reach what the worker has started.
    """
    # Ignored where Dagster runs in the background of a shell, and inherited from there.
    if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _take_control() -> tuple[int, float] | None:
    control = os.environ.pop(CONTROL_VARIABLE, None)
    grace_s = float(os.environ.pop(GRACE_VARIABLE, _DEFAULT_GRACE_S))
    return None if control is None or not hasattr(os, "fork") else (int(control), grace_s)


def _fork_guardian(control: int, needed: set[int], guard: Callable[[], None]) -> None:
    # Forked twice, so that the worker has no child that its own `wait` could find.
    child = os.fork()
    if child == 0:
        try:
            if os.fork() == 0:
                # A session of its own: what ends the worker's group must not end its guardian.
                os.setsid()
                _close_all_but(needed)
                guard()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(control)
    if control == 0:
        os.open(os.devnull, os.O_RDONLY)  # takes its number, which nothing else must get
        os.set_inheritable(0, True)  # noqa: FBT003
    die_with_parent()


def _guard(control: int, group: int, grace_s: float) -> None:
    if not os.read(control, 1):
        end_groups([group], grace_s)


def _guard_by_lease(control: int, group: int, grace_s: float, lease_s: float) -> None:
    """End the group once no byte has come for so long; a dot says that all is well.

    An end of file may be a connection that is opened again, so that it counts as silence.
    """
    deadline = time.monotonic() + lease_s
    watched = [control]
    while (left_s := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select(watched, [], [], left_s)
        data = os.read(control, _MOST_BYTES) if ready else b""
        if _ALL_IS_WELL in data:
            return
        if data:
            deadline = time.monotonic() + lease_s
        elif ready:
            watched = []
    end_groups([group], grace_s)


def _guard_many(control: int, roster: int, conductor: int, grace_s: float) -> None:
    """End all groups once the orchestrator or the conductor is gone.

    A worker that has just been forked holds the roster open until it has told its group, so that
    its end means that all are known.
    """
    groups: set[int] = set()
    rest = b""
    watched = [control, roster]
    while roster in watched:
        ready, _, _ = select.select(watched, [], [])
        if control in ready:
            watched.remove(control)
            if not os.read(control, 1):
                end_groups([conductor, *groups], grace_s)
        if roster in ready:
            data = os.read(roster, _MOST_BYTES)
            if not data:
                watched.remove(roster)
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                (groups.add if line[:1] == b"+" else groups.discard)(int(line[1:]))
    end_groups(groups, grace_s)


def end_groups(groups: Iterable[int], grace_s: float) -> None:
    """Ask every process of some groups to stop, then kill what is left after `grace_s` seconds."""
    left = [group for group in groups if _signal(group, signal.SIGTERM)]
    deadline = time.monotonic() + grace_s
    while left and time.monotonic() < deadline:
        time.sleep(_POLL_S)
        left = [group for group in left if _signal(group, 0)]
    for group in left:
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    with suppress(ProcessLookupError):
        os.killpg(group, number)
        return True
    return False


def _close_all_but(needed: set[int]) -> None:
    """Let go of the worker's streams, or who reads them would wait for us."""
    first = 0
    for descriptor in sorted(needed):
        if descriptor > first:  # of an empty range, Python makes every descriptor there is
            os.closerange(first, descriptor)
        first = descriptor + 1
    os.closerange(first, max(first + 1, 1024))


def main(command: list[str]) -> None:
    """Start a guardian, and become another program."""
    become_init()
    start_guardian()
    try:
        os.execvp(command[0], command)  # noqa: S606 - the program is the user's own choice
    except OSError as error:
        sys.exit(f"Cannot start '{command[0]}': {error.strerror}.")


if __name__ == "__main__":
    main(sys.argv[1:])
