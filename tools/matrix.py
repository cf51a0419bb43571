"""Run a part of the suites with other versions of Kedro, Dagster and Python, and keep the table.

Each row gets environments of its own in .venv/matrix/ROW for what it names; for the side that it
does not, that of `make environments` is taken. Everything that a suite prints is in
.build/matrix/ROW.log.

Usage: .venv/dagster/bin/python tools/matrix.py [--only ROW ...] [--wheel FILE] [--cores N] [--write PAGE]
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- matrix: begin -->", "<!-- matrix: end -->"
HEAD = "| Row | Kedro | Dagster | Python | Result | Day |\n| --- | --- | --- | --- | --- | --- |"
NEWEST = ""
INSTALLED = {
    "kedro": ("kedro,dev", ["-r", "tests/kedro_side/requirements.txt"]),
    "dagster": (
        "dagster,docker,k8s,celery,dev",
        ["dagster-aws", "dagster-webserver", "dagster-dg-cli"],
    ),
}
"""Extras of each side, and what its tests need besides, as the Makefile has it."""
BRIDGE = ["tests/bridge/test_streaming.py", "tests/bridge/test_selection.py"]
LIBRARIES = ["aws", "celery", "celery-docker", "celery-k8s", "docker", "k8s"]
"""Of Dagster, with versions beside its own: 0.29.9 belongs to 1.13.9."""
SUMMARY = re.compile(r"^(?:=+ )?(\d+ (?:passed|failed|error).*) in [\d.]+s", re.MULTILINE)
"""What pytest says at its end."""


class Row(NamedTuple):
    """What is not as in the environments that are there."""

    kedro: str | None = None
    """Its version; None for the environment that is there."""
    dagster: str | None = None
    """The same of Dagster."""
    python: str | None = None
    """Such as 3.10; None for the Python of this environment."""


ROWS = {
    "kedro-0.19.15": Row(kedro="0.19.15"),
    "kedro-1.0": Row(kedro="1.0.0"),
    "kedro-1.4": Row(kedro="1.4.0"),
    "kedro-newest": Row(kedro=NEWEST),
    "dagster-1.13.9": Row(dagster="1.13.9"),
    "dagster-newest": Row(dagster=NEWEST),
    **{
        f"python-{each}": Row(kedro=NEWEST, dagster=NEWEST, python=each)
        for each in ("3.10", "3.11", "3.12", "3.13")
    },
}


class Done(NamedTuple):
    """What came of a row."""

    versions: tuple[str, str, str]
    """Of Kedro, Dagster and Python."""
    result: str
    passed: bool


def main() -> int:
    """Run the rows; return 0 if all that could be run has passed."""
    options = parse_arguments()
    lines = {}
    failed = False
    for name in options.only or ROWS:
        row = ROWS[name]
        print(f"{name}: ", end="", flush=True)
        interpreter = find_python(row.python)
        if interpreter is None:
            print(f"not run, for there is no python{row.python} on PATH", flush=True)
            continue
        done = run(name, row, interpreter, wheel=options.wheel, cores=options.cores)
        print(done.result, flush=True)
        failed = failed or not done.passed
        day = dt.datetime.now(tz=dt.timezone.utc).date()
        lines[name] = f"| {name} | {' | '.join(done.versions)} | {done.result} | {day} |"
    if options.write:
        write_table(options.write, lines)
    return int(failed)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=ROWS, help="a row; may be repeated")
    parser.add_argument(
        "--wheel", type=Path, metavar="FILE", help="what is tested; default: this checkout"
    )
    parser.add_argument(
        "--cores", default="0", metavar="N", help="tests at a time, or `auto`; default: one"
    )
    parser.add_argument("--write", type=Path, metavar="PAGE", help="that has the table")
    return parser.parse_args()


def run(name: str, row: Row, interpreter: Path, *, wheel: Path | None, cores: str) -> Done:
    """Make what a row needs, and run its suites."""
    log = ROOT / f".build/matrix/{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as out:
        pythons = [
            ROOT / f".venv/{side}/bin/python"
            if version is None
            else make(name, side, version, interpreter, wheel=wheel, out=out)
            for side, version in (("kedro", row.kedro), ("dagster", row.dagster))
        ]
        if None in pythons:
            return Done(wanted(row), f"cannot be installed: {log.relative_to(ROOT)}", passed=False)
        results = [call(out, *each) for each in suites(row, *pythons, cores=cores)]
    kedro, dagster = pythons
    versions = version_of(kedro, "kedro"), version_of(dagster, "dagster"), version_of(interpreter)
    said = log.read_text()
    if not all(results):
        print(f"see {log}", *said.splitlines()[-40:], sep="\n")
    return Done(versions, "; ".join(SUMMARY.findall(said)), passed=all(results))


def call(out: IO[str], *command: str | Path) -> bool:
    """Return whether a command succeeds; what it prints goes into a file."""
    return not subprocess.run(command, cwd=ROOT, stdout=out, stderr=out, check=False).returncode


def make(
    name: str, side: str, version: str, interpreter: Path, *, wheel: Path | None, out: IO[str]
) -> Path | None:
    """Return the interpreter of a row's environment for a side; None if it cannot be made."""
    folder = ROOT / f".venv/matrix/{name}/{side}"
    python, constraints = folder / "bin/python", folder / "constraints.txt"
    if not python.is_file() and not call(out, interpreter, "-m", "venv", folder):
        return None
    constraints.write_text("\n".join(constrained(side, version)))
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    extras, besides = INSTALLED[side]
    package = [f"{wheel}[{extras}]"] if wheel else ["-e", f".[{extras}]"]
    upgrade = ["--upgrade"] if version == NEWEST else []
    done = call(out, *pip, *upgrade, "-c", constraints, *package, *besides)
    if done and wheel:  # one of the same version would count as installed
        done = call(out, *pip, "--force-reinstall", "--no-deps", wheel)
    return python if done else None


def constrained(side: str, version: str) -> Iterator[str]:
    """Yield the constraints that fix a side's framework, with what is released together with it."""
    if version == NEWEST:
        return
    yield f"{side}=={version}"
    if side == "dagster":
        _, minor, patch = version.split(".")
        yield from (f"dagster-{each}=={version}" for each in ("webserver", "dg-cli"))
        yield from (f"dagster-{each}==0.{int(minor) + 16}.{patch}" for each in LIBRARIES)


def suites(row: Row, kedro: Path, dagster: Path, *, cores: str) -> Iterator[list[str | Path]]:
    """Yield the commands that test a row."""
    flags = ["-q", "-n", cores, "--dist", "loadfile"]
    if row.kedro is not None:
        which = "not slow" if row.kedro == NEWEST else "not newest"
        yield [kedro, "-m", "pytest", *flags, "tests/kedro_side", "-m", which]
    if row.dagster is not None:
        folders = ["tests/manifest", "tests/orchestrator"]
        yield [dagster, "-m", "pytest", *flags, *folders, "-m", "not slow and not dask"]
    yield [dagster, "-m", "pytest", "-q", *BRIDGE, "--kedro-python", kedro]


def find_python(version: str | None) -> Path | None:
    """Return an interpreter that runs; None if there is none of the version."""
    if version is None:
        return Path(sys.executable)
    for folder in os.get_exec_path():
        candidate = Path(folder, f"python{version}")
        if candidate.is_file() and version_of(candidate).startswith(f"{version}."):
            return candidate
    return None


def version_of(python: Path, distribution: str = "") -> str:
    """Return the version of a distribution, or of Python itself; empty if that does not run."""
    code = (
        f"import importlib.metadata as m; print(m.version({distribution!r}))"
        if distribution
        else "import platform; print(platform.python_version())"
    )
    told = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return told.stdout.strip()


def wanted(row: Row) -> tuple[str, str, str]:
    """Return the versions of Kedro, Dagster and Python that a row asks for, as words."""
    kedro, dagster, python = ("" if each is None else each or "newest" for each in row)
    return kedro, dagster, python


def write_table(page: Path, lines: dict[str, str]) -> None:
    """Write the rows that were run; those that were not keep what the page says of them."""
    before, _, rest = page.read_text().partition(BEGIN)
    table, _, after = rest.partition(END)
    known = {
        name: line for line in table.splitlines() if (name := line.split(" | ")[0][2:]) in ROWS
    }
    for name, row in ROWS.items():
        known.setdefault(name, f"| {name} | {' | '.join(wanted(row))} | not run here | |")
    rows = "\n".join((known | lines)[name] for name in ROWS)
    page.write_text(f"{before}{BEGIN}\n\n{HEAD}\n{rows}\n\n{END}{after}")


if __name__ == "__main__":
    sys.exit(main())
