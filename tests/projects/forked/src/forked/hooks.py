"""Hooks that leave behind what a forked process might trip over."""

import atexit
import logging
import random
import signal
import tempfile
import threading
from pathlib import Path

import numpy as np
from kedro.framework.hooks import hook_impl

from forked.state import FOLDERS, SET

logger = logging.getLogger(__name__)


class SettingHooks:
    """Sets state, and makes every dataset, as some plugins do."""

    @hook_impl
    def after_catalog_created(self, catalog):
        """Look at all versions there are, which Kedro remembers, and draw a number."""
        for name in ("model", "first", "second"):
            catalog.exists(name)
        random.random()
        np.random.random()  # noqa: NPY002 - what most projects have

    @hook_impl
    def before_pipeline_run(self, run_params):
        """Set state, a handler of each kind, a temporary folder, a thread that holds a lock."""
        SET.append("before_pipeline_run")
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        FOLDERS.append(tempfile.TemporaryDirectory())
        atexit.register(_say_ended, "conductor")
        params = run_params.get("runtime_params") or run_params.get("extra_params") or {}
        if params.get("seed"):
            random.seed(params["seed"])
            np.random.seed(params["seed"])  # noqa: NPY002 - as above
        threading.Thread(target=_hold_a_lock, daemon=True).start()


def _hold_a_lock():
    """Log without end: a fork may come while the handler's lock is held."""
    while True:
        logger.debug("still here")


def _say_ended(who):
    with Path("data/ended").open("a") as file:
        file.write(f"{who}\n")
