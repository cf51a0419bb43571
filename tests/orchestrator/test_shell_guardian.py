"""The guardian of a program in a container, in the shells that images have: here as processes."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from dagster_kedro.clients.docker.shell_guardian import guarded

SHELLS = {
    "dash": ["dash"],
    "bash": ["bash", "--posix"],
    "busybox": ["busybox", "sh"],
}
GRACE_S = 0.5
TELLS_WHAT_IT_HAS = (
    "import os, sys; "
    "print(repr(sys.stdin.read()), sorted(k for k in os.environ if k.startswith('KEDRO_PIPES')))\n"
    "try: os.wait(); print('a child')\n"
    "except ChildProcessError: print('no child')\n"
    "sys.exit(3)"
)
STARTS_ANOTHER = (
    "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, {handler})\n"
    "child = subprocess.Popen([sys.executable, '-c', '''import signal, time\n"
    "signal.signal(signal.SIGTERM, {handler}); print(1, flush=True); time.sleep(60)'''])\n"
    "print(child.pid, flush=True); time.sleep(60)"
)


@pytest.fixture(params=SHELLS)
def start(request):
    """A function that starts a program as it is started in a container; ends it after."""
    shell = SHELLS[request.param]
    if shutil.which(shell[0]) is None:
        pytest.skip(f"there is no {shell[0]}: install the package of that name")
    started = []
    # In the background of a shell SIGINT is ignored, and Dagster treats SIGTERM alike once it has run
    # something here; what is started after inherits it.
    ours = signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def begin(*command):
        process = subprocess.Popen(
            [*shell, *guarded(list(command))[1:]],
            env={**os.environ, "KEDRO_PIPES_CONTROL_FD": "0", "KEDRO_PIPES_GRACE_S": str(GRACE_S)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield begin
    signal.signal(signal.SIGTERM, ours)
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()


def test_the_program_knows_nothing_of_it(start):
    """It has an empty standard input, none of our variables, no child, and its own exit code."""
    process = start(sys.executable, "-c", TELLS_WHAT_IT_HAS)

    assert b"'' []\nno child\n" == process.stdout.read()
    assert 3 == process.wait()


def test_signals_are_the_programs_own(start):
    """What ends the program ends the process that the client has started."""
    process = start("sleep", "60")
    process.terminate()

    assert -signal.SIGTERM == process.wait(timeout=10)


@pytest.mark.parametrize(
    ("handler", "ended_by"),
    [("signal.SIG_DFL", signal.SIGTERM), ("signal.SIG_IGN", signal.SIGKILL)],
)
def test_nobody_waits_any_more(start, handler, ended_by):
    """At the end of the channel the program and what it has started end, if need be by force."""
    process = start(sys.executable, "-c", STARTS_ANOTHER.format(handler=handler))
    child = max(int(process.stdout.readline()) for _ in range(2))
    begun = time.monotonic()
    process.stdin.close()

    assert -ended_by == process.wait(timeout=10)
    assert (time.monotonic() - begun >= GRACE_S) == (ended_by == signal.SIGKILL)
    assert gone(child)


@pytest.mark.parametrize("words", [b".\n", b"."])
def test_all_is_well(start, words):
    """A channel that ends after a word leaves the program alone."""
    process = start("sleep", "1")
    process.stdin.write(words)
    process.stdin.close()

    assert 0 == process.wait(timeout=10)


@pytest.mark.parametrize(("mode", "code"), [(None, 127), (0o644, 126), (0o755, 127)], ids=str)
def test_what_cannot_be_started(start, tmp_path, mode, code):
    """A program that is missing, is none, or lacks its interpreter is named."""
    program = tmp_path / "program"
    if mode is not None:
        program.write_text("#!/no/such/interpreter\n")
        program.chmod(mode)
    process = start(str(program))

    assert code == process.wait(timeout=10)
    assert str(program).encode() in process.stderr.read()


def gone(process_id, within_s=5.0):
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            os.kill(process_id, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
