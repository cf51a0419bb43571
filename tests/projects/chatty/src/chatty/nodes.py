"""What the nodes do."""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

PATIENCE_S = 60
CAPTURED = Path("data/captured.txt")
READ = Path("data/read")

logger = logging.getLogger(__name__)
bare = logging.getLogger("bare")
bare.propagate = False


def talk():
    """Say something in every way that people do."""
    logger.debug("a detail")
    logger.info("a step")
    print("printed")
    logger.info("after printing")
    print("a complaint", file=sys.stderr)
    logger.info("two\nlines")
    try:
        {}["lost key"]
    except KeyError:
        logger.exception("a failure")
    logging.getLogger("some.library").error("not %s", "good")
    bare.error("kept from the root logger")
    late = logging.getLogger("late")
    late.propagate = False
    late.addHandler(logging.StreamHandler())
    late.warning("by a handler of its own")
    warnings.warn("an old habit", stacklevel=1)
    for percent in (10, 60, 100):
        print(f"\r{percent} %", end="", file=sys.stderr)
    print(file=sys.stderr)
    logger.info("a long line %s", "that nobody breaks " * 10)
    thread = threading.Thread(target=print, args=["from a thread"])
    thread.start()
    thread.join()
    os.write(1, b"written by native code\n")
    ctypes.CDLL(None).puts(b"held back by native code")
    subprocess.run(["sh", "-c", "echo said by a subprocess"], check=True)
    return "talked"


def listen(talked):
    """Say something right after another node, in the same process."""
    print("the next node")
    return talked


def flood():
    """Print more than anybody reads."""
    for number in range(20_000):
        print("line", number)
    return "flooded"


def redirect():
    """Lead standard output into a file for a while, as captures of native output do."""
    original = os.dup(1)
    CAPTURED.parent.mkdir(exist_ok=True)
    file = os.open(CAPTURED, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    print("for the file")
    os.dup2(original, 1)
    print("for everybody")
    return CAPTURED.read_text()


def wait_for_a_reader():
    """Print, and go on once that was read."""
    print("is anybody there")
    deadline = time.monotonic() + PATIENCE_S
    while not READ.exists():
        if time.monotonic() > deadline:
            raise TimeoutError("nobody has read what was printed")
        time.sleep(0.02)
    return "read"


def die():
    """Print, and be killed in the middle of a line."""
    print("the last words")
    print("half a li", end="")
    os.kill(os.getpid(), signal.SIGKILL)


def fail():
    """Fail."""
    raise ValueError("no luck")
