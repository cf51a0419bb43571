"""What the nodes do."""

import logging
import os
import sys
import threading
import time
import warnings
from pathlib import Path

from kedro_pipes import report

SIGNAL = Path("data/go")
PATIENCE_S = 60

BOTH = threading.Barrier(2, timeout=PATIENCE_S)

logger = logging.getLogger(__name__)


def scale_one(factor):
    """Return the factor itself."""
    return factor


def scale(value, factor):
    """Multiply."""
    return value * factor


def begin():
    """Return at once."""
    return os.getpid()


def wait_for_signal(early):
    """Wait until a file says that Dagster holds the earlier result."""
    deadline = time.monotonic() + PATIENCE_S
    while not SIGNAL.exists():
        if time.monotonic() > deadline:
            raise TimeoutError("nobody saw the earlier result while this node was running")
        time.sleep(0.02)
    return early


def train():
    """Return a model of this run."""
    return {"from": "this run"}


def judge(model):
    """Say which model was judged."""
    return {"judged": model["from"]}


def quote(model, score):
    """Say which model and which score were seen."""
    return {"model": model["from"], "score": score["judged"]}


def count():
    """Return three numbers."""
    return [1, 2, 3]


def double(numbers):
    """Return the doubled numbers, and a note."""
    return [2 * number for number in numbers], f"doubled {len(numbers)}"


def say(total):
    """Save nothing."""
    logger.info("the total is %d", total)


def environment():
    """Return the variables that this process sees."""
    return dict(os.environ)


def log():
    """Log in every way that people do."""
    logger.debug("a detail")
    logger.info("a step")
    try:
        {}["lost key"]
    except KeyError:
        logger.warning("a problem", exc_info=True)
    logging.getLogger("some.library").error("not %s", "good")
    warnings.warn("an old habit", stacklevel=1)
    print("a printed line")
    return "logged"


def meet_left():
    """Wait for the other node, and say so."""
    BOTH.wait()
    logger.info("left is here")
    print("left prints", file=sys.stderr)
    return "left"


def meet_right():
    """Wait for the other node, and say so."""
    BOTH.wait()
    logger.info("right is here")
    print("right prints", file=sys.stderr)
    return "right"


def stumble():
    """Yield a chunk, wait for the other node, and fail."""
    yield 1
    BOTH.wait()
    raise RuntimeError("one leg too few")


def walk():
    """Yield a chunk, wait for the other node, and go on when that has failed."""
    yield 1
    BOTH.wait()
    time.sleep(0.3)
    logger.info("still walking")
    yield 2


def give_both():
    """Return what can be saved, and what cannot."""
    return {"sound": True}, object()


def give_two():
    """Return two lists."""
    return [1], [2]


def speak(numbers):
    """Say everything that can be said of one's output, from a thread as well."""
    report.metadata(None, {"mean": 2.0, "where": Path("data"), "odd": {"a": [1, {2}]}})
    thread = threading.Thread(target=report.metadata, args=("spoken", {"from a thread": True}))
    thread.start()
    thread.join()
    report.check("is_short", len(numbers) < 5, metadata={"length": len(numbers)})
    report.check("is_sorted", passed=False, severity="WARN", dataset="spoken")
    report.column_lineage("spoken", {"total": [("numbers", "amount"), ("numbers", "tax")]})
    report.data_version("spoken", "third edition")
    return len(numbers)


def stammer(numbers):
    """Say what is wrong in every way."""
    report.metadata("stamered", {"a": 1})
    report.metadata("stammered", ["a"])
    report.metadata("numbers", {"a": 1})
    report.check("", passed=True)
    report.check("bad", passed=True, severity="AWFUL")
    report.column_lineage("stammered", {"a": [("elsewhere", "b")]})
    report.column_lineage("stammered", 3)
    report.data_version("stammered", 7)
    return numbers


def boast():
    """Say that all is well, and fail."""
    report.check("sound", passed=True)
    raise ValueError("it was not")


def murmur(spoken):
    """Say something of oneself: there is no output."""
    report.metadata(None, {"heard": spoken})
