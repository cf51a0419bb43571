"""Two nodes that tell of their process, and a model of which two versions are made in one run."""

import atexit
import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from kedro.pipeline import node, pipeline

from forked.hooks import _say_ended
from forked.state import FOLDERS, SET


def tell(name):
    """Return a function that tells of its process, and changes what it has inherited."""

    def told():
        before = list(SET)
        SET.append(name)
        atexit.register(_say_ended, name)
        threading.Thread(target=_end_late, args=(name,)).start()
        with ThreadPoolExecutor() as pool:
            computed = pool.submit(sum, [1, 2]).result()
        return {
            "set": before,
            "random": random.random(),
            "numpy": float(np.random.random()),  # noqa: NPY002 - what most projects have
            "process": os.getpid(),
            "leads": os.getpid() == os.getpgrp() == os.getsid(0),
            "parent": os.getppid(),
            "sigterm": signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
            "sigchld": signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL,
            "threads": threading.active_count(),
            "computed": computed,
            "folder": FOLDERS[0].name if FOLDERS else None,
            "folder_is_there": bool(FOLDERS) and Path(FOLDERS[0].name).is_dir(),
            "private_mb": _private_mb(),
            "sockets": sum(each.is_socket() for each in Path("/proc/self/fd").iterdir()),
        }

    return told


def _private_mb():
    """Return how much memory this process shares with nobody."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def _end_late(name):
    """End after the node: a process waits for threads that are no daemons."""
    time.sleep(0.3)
    Path(f"data/{name}_late").touch()


def fit():
    """Return what is saved under a version."""
    return "fitted"


def fit_or_fail():
    """Fail at the first attempt."""
    if not Path("data/tried").exists():
        Path("data/tried").touch()
        raise LookupError("not yet")
    return "fitted"


def use(model, told):
    """Return which version of the model there is."""
    return {"model": model, "of": told["process"]}


def register_pipelines():
    """Return the pipelines by name."""
    telling = pipeline(
        [
            node(tell("first"), None, "first", name="first"),
            node(tell("second"), None, "second", name="second"),
        ]
    )
    fitting = pipeline(
        [
            node(fit_or_fail, None, "model", name="fit"),
            node(use, ["model", "first"], "used", name="use"),
        ]
    )
    return {"__default__": telling + fitting, "telling": telling}
