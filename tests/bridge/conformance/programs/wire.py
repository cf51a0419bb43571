"""Say exactly what a row of the table says, as a worker's bytes: no more, no less, no better.

    python wire.py ROW

A row is a list of acts. They are data, so that the scripted client plays the same rows.
Runs in the Kedro environment: it needs `kedro_manifest` to cut frames.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

Act = tuple[Any, ...]


def say(number: int | None, method: str, **params: Any) -> Act:
    """Say one message."""
    return ("say", number, method, params)


OPENED = say(1, "opened", extras={"kedro_pipes_protocol": "1.0"})
SAVED = say(2, "report_asset_materialization", asset_key="outcome", metadata={}, data_version=None)
CLOSED = say(3, "closed")
FAILED_CHECK = say(
    3,
    "report_asset_check",
    asset_key="outcome",
    check_name="small",
    passed=False,
    severity="ERROR",
    metadata={},
)
ERROR = {"name": "ValueError", "message": "no luck", "stack": ["line 1\n"]}

ROWS: dict[str, list[Act]] = {
    "success": [OPENED, SAVED, CLOSED],
    "exit_0_without_closing": [OPENED, SAVED],
    "exception_but_exit_0": [OPENED, SAVED, say(3, "closed", exception=ERROR)],
    "exit_3": [OPENED, ("print", "no licence"), ("exit", 3)],
    "killed": [OPENED, ("kill", 9)],
    "duplicates": [OPENED, SAVED, SAVED, OPENED, CLOSED, CLOSED],
    "reordered": [OPENED, CLOSED, say(4, "closed"), SAVED, OPENED],
    "missing": [OPENED, say(3, "log", message="the third", level="INFO"), say(4, "closed")],
    "half_line": [OPENED, SAVED, CLOSED, ("raw", b'{"__dagster_pipes_version": "0.1", "meth')],
    "closing_cut_off": [OPENED, SAVED, ("cut", 3, "closed")],
    "foreign_line": [OPENED, SAVED, ("raw", b"Traceback (most recent call last):\n"), CLOSED],
    "no_json": [OPENED, SAVED, ("raw", b'{"__dagster_pipes_version": nonsense}\n'), CLOSED],
    "odd_number": [OPENED, SAVED, say("three", "log", message="", level="INFO"), CLOSED],  # type: ignore[arg-type]
    "odd_params": [
        OPENED,
        SAVED,
        ("message", 3, {"method": "log", "params": [1]}),
        say(4, "closed"),
    ],
    "unknown_method": [OPENED, SAVED, say(3, "report_dance"), say(4, "closed")],
    "unknown_field": [
        OPENED,
        say(
            2,
            "report_asset_materialization",
            asset_key="outcome",
            metadata={},
            data_version=None,
            colour="red",
        ),
        CLOSED,
    ],
    "other_protocol": [say(1, "opened", extras={"kedro_pipes_protocol": "2.0"}), SAVED, CLOSED],
    "newer_minor": [say(1, "opened", extras={"kedro_pipes_protocol": "1.9"}), SAVED, CLOSED],
    "never_saved": [OPENED, say(2, "log", message="all is well", level="INFO"), CLOSED],
    "check_never_reported": [OPENED, SAVED, CLOSED],
    "check_failed": [OPENED, SAVED, FAILED_CHECK, say(4, "closed")],
    "nan": [
        OPENED,
        say(
            2,
            "report_asset_materialization",
            asset_key="outcome",
            metadata={"loss": {"type": "float", "raw_value": float("nan")}},
            data_version=None,
        ),
        CLOSED,
    ],
    "unknown_level": [
        OPENED,
        say(2, "report_asset_materialization", asset_key="outcome", metadata={}, data_version=None),
        say(3, "log", message="noticed", level="NOTICE"),
        say(4, "closed"),
    ],
}


def message_line(number: Any, message: dict[str, Any]) -> bytes:
    """Return a message as our worker writes it."""
    line = {"__dagster_pipes_version": "0.1", **message}
    return json.dumps(line if number is None else {**line, "kedro_pipes_number": number}).encode()


def act_line(act: Act) -> tuple[int, bytes] | None:
    """Return the number and the line that an act puts into the stream of messages."""
    if act[0] == "say":
        _, number, method, params = act
        line = message_line(number, {"method": method, "params": params})
        return (number if isinstance(number, int) else 99), line
    if act[0] == "message":
        return act[1], message_line(act[1], act[2])
    if act[0] == "cut":
        return act[1], message_line(act[1], {"method": act[2], "params": {}})
    return None


def main(row: str) -> None:
    """Perform a row on the channel that the orchestrator asks for."""
    from dagster_pipes import PipesEnvVarParamsLoader  # noqa: PLC0415 - the scripted client has no need of it
    from kedro_manifest.frames import encode_frames  # noqa: PLC0415 - the scripted client has no need of it
    from kedro_manifest.invocation import FRAMES_PARAM  # noqa: PLC0415 - the scripted client has no need of it

    params = PipesEnvVarParamsLoader().load_messages_params()
    framed = FRAMES_PARAM in params
    stream = 1 if framed else os.open(params["path"], os.O_WRONLY | os.O_APPEND)
    for act in ROWS[row]:
        if act[0] == "raw":
            os.write(stream, act[1])
        elif act[0] == "print":
            print(act[1], flush=True)
        elif act[0] == "exit":
            os._exit(act[1])
        elif act[0] == "kill":
            os.kill(os.getpid(), act[1])
        elif found := act_line(act):
            number, line = found
            data = b"".join(encode_frames(number, line)) if framed else line + b"\n"
            os.write(stream, data[: len(data) // 2] if act[0] == "cut" else data)


if __name__ == "__main__":
    main(sys.argv[1])
