"""A plain Dagster Pipes program that misbehaves as it is told: it knows nothing of ours.

    python plain.py BEHAVIOUR

Both Dagster's own client and ours can launch it; `compare_with_stock.py` does so.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

from dagster_pipes import PipesContext, PipesEnvVarParamsLoader, open_dagster_pipes

DEAF = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "signal.signal(signal.SIGINT, signal.SIG_IGN); print('deaf', flush=True); time.sleep(120)"
)


def success(pipes: PipesContext) -> None:
    """Materialize what was asked for."""
    pipes.log.info("at work")
    pipes.report_asset_materialization(asset_key="outcome", metadata={"rows": 3})


def stream(pipes: PipesContext) -> None:
    """Materialize one asset, and the other two seconds later."""
    pipes.report_asset_materialization(asset_key="first", metadata={"at": time.time()})
    time.sleep(2)
    pipes.report_asset_materialization(asset_key="outcome", metadata={"at": time.time()})


def raise_error(pipes: PipesContext) -> None:
    """Materialize something, then fail."""
    pipes.report_asset_materialization(asset_key="first", metadata={"rows": 1})
    raise ZeroDivisionError("one over nothing")


def exit_0_without_closing(_: PipesContext) -> None:
    """End behind Python's back."""
    os._exit(0)


def exception_but_exit_0(_: PipesContext) -> None:
    """Have the exception reported, then exit with 0 (see `main`)."""
    raise ZeroDivisionError("one over nothing")


def exit_3(pipes: PipesContext) -> None:
    """Materialize something, then exit with 3."""
    pipes.report_asset_materialization(asset_key="first", metadata={"rows": 1})
    time.sleep(0.3)
    print("the licence server is gone", flush=True)
    os._exit(3)


def killed(_: PipesContext) -> None:
    """Be killed."""
    os.kill(os.getpid(), signal.SIGKILL)


def out_of_memory(pipes: PipesContext) -> None:
    """Move into a control group with little memory, and take more."""
    group = Path("/sys/fs/cgroup/memory/kedro-pipes-compare")
    group.mkdir(exist_ok=True)
    (group / "memory.limit_in_bytes").write_text(str(64 * 2**20))
    (group / "cgroup.procs").write_text(str(os.getpid()))
    pipes.log.info("moved")
    time.sleep(0.3)
    hoard = []
    while True:
        hoard.append(os.urandom(2**20))


def hang(_: PipesContext) -> None:
    """Sleep, with a child that sleeps too."""
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    Path("hanging").touch()
    time.sleep(120)


def hang_deaf(_: PipesContext) -> None:
    """Ignore polite requests, with a child that does so too."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE) as child:
        child.stdout.readline()  # type: ignore[union-attr]
        Path("hanging").touch()
        while True:
            time.sleep(120)


def leave_children(pipes: PipesContext) -> None:
    """End well, and leave a process behind."""
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    success(pipes)


def big_messages(pipes: PipesContext) -> None:
    """Send twenty messages of a megabyte, then the result."""
    for number in range(20):
        pipes.report_custom_message({"number": number, "text": "x" * 1_000_000})
    success(pipes)


def huge_message(pipes: PipesContext) -> None:
    """Send one message of ten megabytes, then the result."""
    pipes.report_custom_message({"text": "x" * 10_000_000})
    success(pipes)


def many_messages(pipes: PipesContext) -> None:
    """Log many lines, then the result."""
    for number in range(2000):
        pipes.log.info("line %d", number)
    success(pipes)


def progress_bar(pipes: PipesContext) -> None:
    """Draw a bar without a line break between messages."""
    for percent in range(20):
        sys.stdout.write(f"\r {percent}%|{'#' * percent}|")
        sys.stdout.flush()
        pipes.log.info("line %d", percent)
    success(pipes)


def noise(pipes: PipesContext) -> None:
    """Write bytes that are no text, line breaks after them."""
    for number in range(20):
        os.write(1, os.urandom(5000) + b"\n")
        pipes.log.info("line %d", number)
    success(pipes)


def bad_metadata(pipes: PipesContext) -> None:
    """Send what Dagster's stock handler cannot take, then the result."""
    _raw("report_asset_check", {"asset_key": "outcome", "metadata": {"rows": {"type": "int"}}})
    _raw("log", {"message": "noticed", "level": "NOTICE"})
    success(pipes)


def nan(pipes: PipesContext) -> None:
    """Report a metric that is no number."""
    pipes.report_asset_materialization(asset_key="outcome", metadata={"loss": float("nan")})


def unknown_level(pipes: PipesContext) -> None:
    """Log at a level of one's own, then the result."""
    logging.addLevelName(25, "NOTICE")
    pipes.log.log(25, "noticed")
    success(pipes)


def disk_full(pipes: PipesContext) -> None:
    """Reach the largest size that a file may have."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    pipes.log.info("x" * 8192)
    success(pipes)


def messages_deleted(pipes: PipesContext) -> None:
    """Delete the message file, then report the result into nothing."""
    params = PipesEnvVarParamsLoader().load_messages_params()
    if "path" in params:
        Path(params["path"]).unlink()
    success(pipes)


def never_saved(pipes: PipesContext) -> None:
    """Report nothing at all."""


def check_never_reported(pipes: PipesContext) -> None:
    """Materialize, but forget the check."""
    success(pipes)


def size_of_context(pipes: PipesContext) -> None:
    """Report how much was received."""
    size = len(json.dumps(pipes.extras))
    pipes.report_asset_materialization(asset_key="outcome", metadata={"size": size})


def environment(pipes: PipesContext) -> None:
    """Report which variables are seen."""
    pipes.report_asset_materialization(
        asset_key="outcome", metadata={"names": " ".join(sorted(os.environ))}
    )


def _raw(method: str, params: dict[str, object]) -> None:
    """Write a message past the checks of the library, as another language's library may."""
    target = PipesEnvVarParamsLoader().load_messages_params()
    line = json.dumps({"__dagster_pipes_version": "0.1", "method": method, "params": params})
    if "path" in target:
        with Path(target["path"]).open("a") as file:
            file.write(line + "\n")
    else:
        print(line, flush=True)


def main(behaviour: str) -> None:
    """Behave as told."""
    try:
        with open_dagster_pipes() as pipes:
            globals()[behaviour](pipes)
    except ZeroDivisionError:
        if behaviour != "exception_but_exit_0":
            raise


if __name__ == "__main__":
    main(sys.argv[1])
