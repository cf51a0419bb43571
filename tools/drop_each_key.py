"""Drop each key of dagster.yml before it is read, and see that the test fails that shows it.

So tests/boundaries/test_every_key.py names no test that would pass without the key. Only tests of
the Dagster side are tried, and neither a `type` nor a kind of executor can be dropped.

Usage: .venv/dagster/bin/python tools/drop_each_key.py [PLACE, such as jobs or sensors.*.uri]
"""

from __future__ import annotations

import contextlib
import io
import runpy
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from kedro_manifest.orchestration import root

REPOSITORY = Path(__file__).parents[1]
TIMEOUT_S = 25
"""A test may wait for what does not happen without its key."""


def dropped(value: Any, place: Sequence[str]) -> Any:
    """Return what was read without a key; `*` stands for any name, and lists are looked into."""
    if isinstance(value, list):
        return [dropped(each, place) for each in value]
    if not isinstance(value, Mapping):
        return value
    first, *rest = place
    if first == "*":
        return {key: dropped(inner, rest) for key, inner in value.items()}
    return {
        key: dropped(inner, rest) if key == first else inner
        for key, inner in value.items()
        if key != first or rest
    }


def keys_and_tests() -> Iterator[tuple[str, str]]:
    """Yield each key that can be dropped, and each test that shows it."""
    table = runpy.run_path(str(REPOSITORY / "tests/boundaries/test_every_key.py"))
    for room, tests in table["EFFECTS"].items():
        for test, keys in tests.items():
            if test.startswith("orchestrator/") and tests is not table["EXECUTORS"]:
                names = (key for key in keys.split() if ":" not in key)
                yield from ((f"{room}.{key}".removeprefix("."), test) for key in names)


def fails(test: str) -> bool:
    """Run one test in this process; tell whether it failed."""
    options = ["-x", f"--timeout={TIMEOUT_S}", "-p", "no:cacheprovider"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return (
            pytest.main([*options, str(REPOSITORY / "tests" / test)])
            == pytest.ExitCode.TESTS_FAILED
        )


def main() -> int:
    """Try all keys, or those at a place; tell of the tests that pass without their key."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    respell, passing, count = root.respell, 0, 0
    for key, test in keys_and_tests():
        if not f"{key}.".startswith(f"{wanted}." if wanted else ""):
            continue
        place = key.split(".")
        root.respell = lambda raw, place=place: respell(dropped(raw, place))
        count += 1
        if not fails(test):
            passing += 1
            print(f"{test} passes without `{key}`", flush=True)
    print(f"{count} times a key was dropped; {count - passing} times its test failed, as it must.")
    return 1 if passing or not count else 0


if __name__ == "__main__":
    sys.exit(main())
