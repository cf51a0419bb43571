"""Run the same misbehaving programs under Dagster's stock client and under ours, side by side.

    python compare_with_stock.py --kedro-python PATH [--write docs/explanation/contract-of-success.md]

Each row starts `programs/plain.py` in the Kedro environment, once through
`dg.PipesSubprocessClient` and once through `KedroPipesResource.run_program`, in a Dagster process
of its own; says how the run ended, what was materialized, and what was left running.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import clients  # noqa: E402 - found beside this file

BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
PATIENCE_S = 45.0

DEFINITIONS = """\
import os
import dagster as dg
from dagster_kedro import KedroPipesResource, KedroSubprocessClient

WHO, COMMAND = os.environ["COMPARE_WHO"], os.environ["COMPARE_COMMAND"].split("|")
TOKEN = {"CONFORMANCE_TOKEN": os.environ["COMPARE_TOKEN"]}
ASSETS, CHECKED = os.environ["COMPARE_ASSETS"].split(), os.environ["COMPARE_CHECKED"] == "1"
SPECS = [dg.AssetSpec(name, deps=ASSETS[:index][-1:]) for index, name in enumerate(ASSETS)]
CHECKS = [dg.AssetCheckSpec("small", asset="outcome")] if CHECKED else []


@dg.multi_asset(specs=SPECS, check_specs=CHECKS, name="program")
def program(context: dg.AssetExecutionContext, kedro: KedroPipesResource):
    if WHO == "stock":
        client = dg.PipesSubprocessClient(env=TOKEN)
        yield from client.run(command=COMMAND, context=context).get_results()
    else:
        yield from kedro.run_program(context, COMMAND)


defs = dg.Definitions(
    assets=[program],
    jobs=[dg.define_asset_job("everything")],
    resources={"kedro": KedroPipesResource(client=KedroSubprocessClient(grace_s=1, env=TOKEN))},
)
"""

ROWS: list[tuple[str, str, dict[str, Any]]] = [
    ("Success", "success", {}),
    ("Exception, after one asset of two", "raise_error", {"assets": "first outcome"}),
    ("Exit 0 without closing", "exit_0_without_closing", {}),
    ("Exception reported, but exit 0", "exception_but_exit_0", {}),
    ("Exit 3, after one asset of two", "exit_3", {"assets": "first outcome"}),
    ("SIGKILL of the worker", "killed", {}),
    ("Killed for want of memory", "out_of_memory", {}),
    ("Cancelled", "hang", {"signal": signal.SIGINT}),
    ("Cancelled, deaf to requests, with a child", "hang_deaf", {"signal": signal.SIGINT}),
    ("Orchestrator killed", "hang", {"signal": signal.SIGKILL}),
    ("Orchestrator killed, deaf worker", "hang_deaf", {"signal": signal.SIGKILL}),
    ("Child left behind by a worker that ended well", "leave_children", {}),
    ("Twenty messages of 1 MB", "big_messages", {}),
    ("One message of 10 MB", "huge_message", {}),
    ("Progress bar without line breaks", "progress_bar", {"lines": 20}),
    ("Bytes that are no text on stdout", "noise", {"lines": 20}),
    ("2,000 log lines", "many_messages", {"lines": 2000}),
    ("A message that Dagster cannot take", "bad_metadata", {}),
    ("Metric that is no number", "nan", {}),
    ("Log level of the program's own", "unknown_level", {}),
    ("Message file cannot grow", "disk_full", {}),
    ("Message file deleted", "messages_deleted", {}),
    ("Selected output never reported", "never_saved", {}),
    ("Selected check never reported", "check_never_reported", {"checked": True}),
]


def main() -> None:
    """Run every row, print the table, and write it where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kedro-python", type=Path, required=True)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    lines = ["| Row | Stock `PipesSubprocessClient` | Ours |", "| --- | --- | --- |"]
    for title, behaviour, particulars in ROWS:
        cells = [
            run_row(options.kedro_python.absolute(), who, behaviour, particulars)
            for who in ("stock", "ours")
        ]
        lines.append(f"| {title} | {cells[0]} | {cells[1]} |")
        print(lines[-1], flush=True)
    if options.write:
        before, _, rest = options.write.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        table = "\n".join(lines)
        options.write.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}")


def run_row(python: Path, who: str, behaviour: str, particulars: dict[str, Any]) -> str:
    """Run one row under one client; return what happened."""
    with tempfile.TemporaryDirectory() as name:
        folder, token = Path(name), uuid.uuid4().hex
        (folder / "definitions.py").write_text(DEFINITIONS)
        (folder / "run.yaml").write_text(json.dumps({"execution": {"config": {"in_process": {}}}}))
        (folder / "home").mkdir()
        (folder / "home/dagster.yaml").touch()
        log = (folder / "log").open("wb")
        process = subprocess.Popen(
            [
                Path(sys.executable).with_name("dagster"),
                *("job", "execute", "-f", "definitions.py", "-j", "everything"),
                *("-c", "run.yaml"),
            ],
            cwd=folder,
            env={
                **os.environ,
                "DAGSTER_HOME": str(folder / "home"),
                "COMPARE_WHO": who,
                "COMPARE_COMMAND": f"{python}|{HERE / 'programs/plain.py'}|{behaviour}",
                "COMPARE_TOKEN": token,
                "COMPARE_ASSETS": particulars.get("assets", "outcome"),
                "COMPARE_CHECKED": str(int(particulars.get("checked", False))),
            },
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            told = _follow(process, folder, token, particulars)
            return told.replace(str(python), "python").replace(f"{HERE}/", "")
        finally:
            log.close()
            _kill(clients.processes_with(token))
            _remove_control_group()


def _follow(
    process: subprocess.Popen[bytes], folder: Path, token: str, particulars: dict[str, Any]
) -> str:
    began_at = time.monotonic()
    if number := particulars.get("signal"):
        while not (folder / "hanging").exists() and time.monotonic() - began_at < PATIENCE_S:
            time.sleep(0.05)
        began_at = time.monotonic()
        process.send_signal(number)
    try:
        process.wait(PATIENCE_S)
        took_s = time.monotonic() - began_at
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return f"**hangs** (given up after {PATIENCE_S:.0f} s)"
    if number == signal.SIGKILL:
        left = _left(token, 6.0)
        return f"{left} after 6 s" if left else "nothing is left"
    left = _left(token, 1.0)
    told = _tell(folder, particulars)
    if number:
        told += f", after {took_s:.1f} s"
    return f"{told}; {left} left running" if left else told


def _left(token: str, within_s: float) -> str:
    deadline = time.monotonic() + within_s
    while (left := clients.processes_with(token)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return f"**{len(left)} process{'es' if len(left) > 1 else ''}**" if left else ""


def _tell(folder: Path, particulars: dict[str, Any]) -> str:
    import dagster as dg  # noqa: PLC0415 - slow, and for this alone

    with dg.DagsterInstance.from_config(str(folder / "home")) as instance:
        assert instance.get_runs_count() == 1, (folder / "log").read_text()
        (run,) = instance.get_runs()
        entries = instance.all_logs(run.run_id)
    status = run.status.value
    parts = [status]
    made = []
    for entry in entries:
        event = entry.dagster_event
        if event and event.is_step_materialization:
            bare = not event.materialization.metadata
            made.append(f"`{event.asset_key.path[-1]}`{' (empty)' if bare else ''}")
    parts.append(f"made {', '.join(made)}" if made else "made nothing")
    if wanted := particulars.get("lines"):
        seen = sum("line " in entry.user_message for entry in entries if not entry.dagster_event)
        parts.append(f"{seen} of {wanted} lines")
    failures = [
        e.dagster_event for e in entries if e.dagster_event and e.dagster_event.is_step_failure
    ]
    for failure in failures:
        error = failure.step_failure_data.error
        while error.cause:
            error = error.cause
        first = error.message.strip().splitlines()[0].replace(str(folder), "…")
        kind, _, text = first.partition(": ")
        shown = f"{kind.rpartition('.')[2]}: {text}".replace("|", "\\|")
        parts.append(f"“{shown[:150]}{'…' if len(shown) > 150 else ''}”")
    return ", ".join(parts)


def _kill(process_ids: list[int]) -> None:
    for process_id in process_ids:
        try:
            os.kill(process_id, signal.SIGKILL)
        except ProcessLookupError:  # noqa: PERF203
            continue


def _remove_control_group() -> None:
    group = Path("/sys/fs/cgroup/memory/kedro-pipes-compare")
    deadline = time.monotonic() + 5
    while group.exists() and time.monotonic() < deadline:
        try:
            group.rmdir()
        except OSError:  # noqa: PERF203
            time.sleep(0.05)


if __name__ == "__main__":
    main()
