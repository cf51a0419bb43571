"""Measure what each extra of the package takes on the disk, of the environments that are here.

An extra is measured in the first environment that has all that it needs: what `pip install
kedro-dagster-pipes[EXTRA]` would bring is found by what each distribution says that it needs. Bytes
are those of the files that pip has written, compiled ones included.

Usage: .venv/dagster/bin/python tools/extra_sizes.py [--write docs/reference/supported-versions.md]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "kedro-dagster-pipes"
USERS = ["", "kedro", "dagster", "docker", "k8s", "celery", "dask", "executors", "mlflow", "svg"]
"""Extras for users, the package alone before them."""
BEGIN, END = "<!-- sizes: begin -->", "<!-- sizes: end -->"
Needed = dict[str, Distribution]


class Missing(Exception):  # noqa: N818 - no error, but the answer for this environment
    """An environment lacks what an extra needs."""


def main() -> int:
    """Print the table, or write it into a page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, metavar="PAGE")
    page = parser.parse_args().write
    table = "\n".join(rows())
    if page is None:
        print(table)
        return 0
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    page.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{rest.partition(END)[2]}")
    return 0


def rows() -> Iterator[str]:
    """Yield the lines of the table."""
    yield "| Extra | Distributions | Size | Largest |"
    yield "| --- | --- | --- | --- |"
    for extra in USERS:
        name = f"`[{extra}]`" if extra else "none"
        needed = measured(extra)
        if needed is None:
            yield f"| {name} | not measured here | | |"
            continue
        sizes = {each: size_bytes(of) for each, of in needed.items()}
        largest = sorted(sizes, key=lambda each: -sizes[each])[:3]
        told = ", ".join(f"{each} {megabytes(sizes[each])}" for each in largest)
        yield f"| {name} | {len(sizes)} | {megabytes(sum(sizes.values()))} | {told} |"


def measured(extra: str) -> Needed | None:
    """Return what an extra brings, from the first environment that has all of it."""
    for folder in sorted((ROOT / ".venv").glob("*/lib/python*/site-packages")):
        # An environment may hold newer or older ones of its own, and an extra's all the same.
        installed = {
            canonicalize_name(each.name): each for each in distributions(path=[str(folder)])
        }
        if PACKAGE in installed:
            try:
                return closure(installed, Requirement(f"{PACKAGE}[{extra}]" if extra else PACKAGE))
            except Missing:
                continue
    return None


def closure(installed: Needed, wanted: Requirement) -> Needed:
    """Return the distributions that a requirement brings, itself included, by name.

    Raises:
        Missing: One is not installed.
    """
    found: Needed = {}
    done: set[tuple[str, str]] = set()
    left = [wanted]
    while left:
        requirement = left.pop()
        name = canonicalize_name(requirement.name)
        if name not in installed:
            raise Missing(name)
        found[name] = installed[name]
        for extra in {"", *requirement.extras} - {each for of, each in done if of == name}:
            done.add((name, extra))
            needs = map(Requirement, installed[name].requires or [])
            left += [
                each
                for each in needs
                if each.marker is None or each.marker.evaluate({"extra": extra})
            ]
    return found


def size_bytes(distribution: Distribution) -> int:
    """Return the bytes of a distribution's files; of an editable one those of its sources."""
    if canonicalize_name(distribution.name) == PACKAGE:
        files = [*(ROOT / "kedro_side").rglob("*"), *(ROOT / "orchestrator").rglob("*")]
    else:
        files = [Path(str(each.locate())) for each in distribution.files or []]
    return sum(file.stat().st_size for file in files if file.is_file())


def megabytes(size: int) -> str:
    """Return bytes for people."""
    return f"{size / 1e6:.1f} MB"


if __name__ == "__main__":
    sys.exit(main())
