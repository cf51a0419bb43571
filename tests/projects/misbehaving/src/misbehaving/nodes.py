"""What the nodes do. Files in `data` tell the test what has happened, or wait for its word."""

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from dagster_pipes import PipesContext
from kedro_manifest.events import DatasetLoaded, encode_event

logger = logging.getLogger(__name__)

BEHAVIOURS = {}
ASLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
DEAF = [
    sys.executable,
    "-c",
    (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print(flush=True); time.sleep(600)"
    ),
]


class Unserialisable:
    """Cannot be pickled, shown or written as JSON."""

    def __repr__(self):
        """Fail as well."""
        raise ValueError("no repr")


def behaviour(function):
    """Make a function one of the behaviours."""
    BEHAVIOURS[function.__name__] = function
    return function


def misbehave(name, size):
    """Behave as told, and return what is to be saved."""
    return BEHAVIOURS[name](size) or {"size": size}


def misbehave_after(begun, name, size):
    """Behave as told when the first node has finished."""
    return misbehave(name, size) | begun


def orphan():
    """Kill whoever has forked this process, and be deaf to what comes of it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(600)


def begin():
    """Return something good."""
    return {"good": True}


def end(before):
    """Return what came before, and leave a trace of having run."""
    return {"before": before}


def nothing():
    """Yield nothing, so that nothing is ever saved."""
    yield from ()


def fit():
    """Return what is saved under a version, and report its check as the test wants it."""
    passed = not Path("data/unfit").exists()
    if not Path("data/unchecked").exists():
        pipes = PipesContext.get()
        pipes.report_asset_check("sound", passed=passed, asset_key="model")
    return {"fitted_at": time.time_ns()}


def score_once_allowed(model):
    """Fail until the test allows it, or once if it says so."""
    data = Path("data")
    with (data / "attempts").open("a") as attempts:
        attempts.write("x")
    if (data / "fail_once").exists():
        (data / "fail_once").unlink()
        raise RuntimeError("not yet")
    if not (data / "allowed").exists():
        raise RuntimeError("not allowed")
    return model


def split():
    """Return the same moment twice: to be saved under a version, and to be kept in memory."""
    moment = time.time_ns()
    return {"at": moment}, {"at": moment}


@behaviour
def fine(size):
    """Do nothing wrong."""


@behaviour
def wait(_):
    """Wait for the test's word."""
    _say("waiting")
    deadline = time.monotonic() + 60
    while not Path("data/go").exists():
        if time.monotonic() > deadline:
            raise TimeoutError("nobody said go")
        time.sleep(0.02)


@behaviour
def raise_error(_):
    """Fail as a user's code does."""
    raise ZeroDivisionError("one over nothing")


@behaviour
def exit_0(_):
    """End the process behind Python's back, as a C library may."""
    os._exit(0)


@behaviour
def exit_3(_):
    """End the process with a code, having said why."""
    print("the licence server is gone", flush=True)
    os._exit(3)


@behaviour
def kill_itself(_):
    """Be killed."""
    os.kill(os.getpid(), signal.SIGKILL)


@behaviour
def eat_memory(_):
    """Take memory until the kernel has had enough."""
    hoard = []
    while True:
        hoard.append(bytearray(os.urandom(1024)) * 1024)


@behaviour
def hang(_):
    """Sleep, with a child that sleeps too."""
    subprocess.Popen(ASLEEP)
    _say("hanging")
    time.sleep(600)


@behaviour
def hang_talking(_):
    """Log without end, so that the orchestrator is nearly always writing a line."""
    _say("hanging")
    while True:
        logger.info("still here")
        time.sleep(0.001)


@behaviour
def hang_deaf(_):
    """Ignore every polite request, with a child and a grandchild that do so too."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = subprocess.Popen(DEAF, stdout=subprocess.PIPE)
    child.stdout.readline()
    if os.fork() == 0 and os.fork() == 0:
        time.sleep(600)
    _say("hanging")
    while True:
        time.sleep(600)


@behaviour
def leave_children(_):
    """End well, and leave two processes behind: one of them deaf, both holding a stream."""
    subprocess.Popen(ASLEEP)
    deaf = subprocess.Popen(DEAF, stdout=subprocess.PIPE)
    deaf.stdout.readline()


@behaviour
def log_once(size):
    """Log one line of a given size."""
    logger.warning("x" * size)


@behaviour
def log_often(size):
    """Send many messages, a numbered line among every twenty of them."""
    quiet = encode_event(DatasetLoaded(node="only", dataset="none", duration_s=0.0))
    for number in range(size):
        if number % 20:
            PipesContext.get().report_custom_message(quiet)
        else:
            logger.info("line %d", number)


@behaviour
def fork_and_log(size):
    """Log in a forked process and in this one, at the same time."""
    child = multiprocessing.get_context("fork").Process(target=_log_lines, args=(1000, size))
    child.start()
    _log_lines(0, size)
    child.join()


def _log_lines(first, size):
    for number in range(first, first + size):
        logger.info("line %d", number)


@behaviour
def progress_bar(size):
    """Draw a bar without a line break, and log beside it."""
    for percent in range(size):
        sys.stdout.write(f"\r {percent}%|{'#' * (percent // 10)}|")
        sys.stderr.write(f"\r {percent}%")
        logger.info("line %d", percent)


@behaviour
def noise(size):
    """Write bytes that are no text to both streams, and log in between."""
    for number in range(size):
        os.write(1, os.urandom(5000))
        os.write(2, os.urandom(500) + b"::kedro-pipes:1 1 0 1 00000000 {}")
        logger.info("line %d", number)


@behaviour
def bad_metadata(_):
    """Report what is no metadata."""
    endless = []
    endless += [endless, endless, endless]
    PipesContext.get().report_asset_materialization(
        metadata={
            "nan": float("nan"),
            "infinite": float("inf"),
            "scalar": NumberLike(),
            "nested": {"a": {"b": [1, {"c": 2}]}},
            "bytes": b"\xff\x00",
            "object": Unserialisable(),
            "endless": endless,
            "huge": "x" * 5_000_000,
            "surrogate": "\ud800",
            "large": 2**80,
            "typed": {"type": "float", "raw_value": float("nan")},
            "wrong_type": {"type": "dance", "raw_value": 1},
            7: "a key that is no text",
        },
    )
    PipesContext.get().report_custom_message({"object": Unserialisable(), "bytes": b"\xff"})


class NumberLike:
    """Looks like a NumPy scalar."""

    size = 1

    def item(self):
        """Return the number, as NumPy's scalars do."""
        return 42


@behaviour
def unknown_level(_):
    """Log at a level of one's own, through Python and through Pipes."""
    logging.addLevelName(25, "NOTICE")
    logger.log(25, "noticed by Kedro")
    PipesContext.get().log.log(25, "noticed by Pipes")


@behaviour
def delete_messages(_):
    """Delete the file that the messages go to, and everything beside it."""
    for file in Path(os.environ["MESSAGES_IN"]).glob("kedro-pipes-*/*"):
        file.unlink()


@behaviour
def replace_messages(_):
    """Put a folder where the message file was."""
    for file in Path(os.environ["MESSAGES_IN"]).glob("kedro-pipes-*/messages*"):
        file.unlink()
        file.mkdir()


@behaviour
def fill_disk(_):
    """Fill the disk that the message file is on."""
    full = Path(os.environ["MESSAGES_IN"]) / "full"
    with full.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(64))
        except OSError:
            logger.warning("x" * 10_000)


def _say(word):
    Path("data").mkdir(exist_ok=True)
    Path("data", word).write_text(str(os.getpid()))
