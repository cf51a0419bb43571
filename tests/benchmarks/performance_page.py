"""Turn what `peers.py` has measured into the tables and plots of `docs/explanation/performance.md`.

Run by `make bench` with an interpreter that has matplotlib. Measures nothing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl

mpl.use("svg")

import matplotlib.pyplot as plt
from measuring import ratio_of

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/explanation/performance.md"
IMAGES = ROOT / "docs/images"
BEGIN, END = "<!-- peers: written by make bench -->", "<!-- peers: end -->"
OURS, THEIRS = "#1f6feb", "#b8bec6"
OTHERS = ["#6e7781", "#d4742c", "#a33b3b"]
IN_PROCESS, MULTIPROCESS = "kedro-dagster, in_process", "kedro-dagster, multiprocess"
KEDRO, ONE_ASSET = "`kedro run`", "a job of one trivial asset"
FORKED = "**ours**, forked"
ASLEEP_S, ASLEEP_IDEAL_S = 1.0, 2.0
Workload = dict[str, Any]


def main() -> None:
    """Read the figures, draw, and write the part of the page between its marks."""
    options = parse_arguments()
    results = json.loads(options.results.read_text())
    measured = {each["name"]: each for each in results["workloads"]}
    draw_nine_nodes(measured["light"], IMAGES / "nine-nodes.svg")
    if curves_of(list(measured.values())):
        draw_slopes(list(measured.values()), IMAGES / "slopes.svg")
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    section = "\n".join(section_of(results, measured))
    PAGE.write_text(f"{before}{BEGIN}\n{section}\n{END}{after}")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="what peers.py has written")
    return parser.parse_args()


def section_of(results: dict[str, Any], measured: dict[str, Workload]) -> Iterator[str]:
    """Yield the lines of the section."""
    machine = results["machine"]
    yield ""
    yield (
        f"Medians of {results['runs']} rounds, {machine['date']}, on {machine['cores']} cores "
        f"({machine['system']}), Python {machine['python']}, Dagster {machine['dagster']}, Kedro "
        f"{machine['kedro']}, kedro-dagster {machine['kedro-dagster']}. In each round every command "
        "ran once, one after another; a ratio is ours to theirs in one round, below 1 where ours is "
        "less, with the smallest and the largest. `make bench` measures anew."
    )
    yield ""
    yield from bars_of(measured)
    for name, workload in measured.items():
        if workload["nodes"] is None and not name.startswith("asleep"):
            yield from table_of(workload, "nine-nodes" if name == "light" else None)
    if curves_of(list(measured.values())):
        yield from slopes_of(list(measured.values()))


def bars_of(measured: dict[str, Workload]) -> Iterator[str]:
    """Yield the table of what was aimed at."""
    yield "| What | Aim | Seconds | Processor |"
    yield "|---|---|---|---|"
    light = measured["light"]["contenders"]
    aims: list[tuple[str, str, Callable[[dict[str, Any], str], list[float]]]] = [
        (
            f"nine light nodes, forked, beside {KEDRO} and then {ONE_ASSET}",
            "1.1",
            lambda of, field: sums(of[KEDRO][field], of[ONE_ASSET][field]),
        ),
        (f"… beside {IN_PROCESS}", "0.8", lambda of, field: of[IN_PROCESS][field]),
        (f"… beside {MULTIPROCESS}", "0.2", lambda of, field: of[MULTIPROCESS][field]),
    ]
    for title, aim, beside in aims:
        cells = [
            ratio_of(list(zip(light[FORKED][field], beside(light, field), strict=True)))
            for field in ("wall_s", "cpu_s")
        ]
        yield f"| {title} | {aim} | {' | '.join(cells)} |"
    if "asleep" in measured:
        many, one = (measured[name]["contenders"].values() for name in ("asleep", "asleep_one"))
        beyond = [
            (seconds - alone + ASLEEP_S, ASLEEP_IDEAL_S)
            for each, single in zip(many, one, strict=True)
            for seconds, alone in zip(each["wall_s"], single["wall_s"], strict=True)
        ]
        yield (
            f"| {measured['asleep']['title']}, 50 at once, beyond the start of the run, beside the "
            f"ideal {ASLEEP_IDEAL_S:g} s | 1.3 | {ratio_of(beyond)} | |"
        )
    yield ""


def table_of(workload: Workload, image: str | None) -> Iterator[str]:
    """Yield the table of one workload; ratios are those of the first contender to the others."""
    contenders = workload["contenders"]
    first = next(iter(contenders.values()))
    yield f"### {workload['title'][0].upper()}{workload['title'][1:]}"
    yield ""
    if image is not None:
        yield f"![Seconds of each way to run {workload['title']}](../images/{image}.svg)"
        yield ""
    yield (
        "| How | A process each | Ours beside it, seconds | Processor "
        "| Seconds | Processor, s | Memory, MB |"
    )
    yield "|---|---|---|---|---|---|---|"
    for name, figure in contenders.items():
        if "failed" in figure:
            yield f"| {name} | | cannot run it: {figure['failed'].replace('|', '/')[:120]} | | | | |"
            continue
        ratios = [
            "" if figure is first else ratio_of(list(zip(first[field], figure[field], strict=True)))
            for field in ("wall_s", "cpu_s")
        ]
        yield (
            f"| {name} | {'yes' if figure['isolated'] else 'no'} | {' | '.join(ratios)} "
            f"| {median(figure['wall_s']):.2f} | {median(figure['cpu_s']):.2f} "
            f"| {median(figure['memory_mb']):.0f} |"
        )
    yield ""


def slopes_of(workloads: list[Workload]) -> Iterator[str]:
    """Yield the table of what each further node costs."""
    yield "### Each further node"
    yield ""
    yield "![Seconds by number of nodes](../images/slopes.svg)"
    yield ""
    yield "| Shape | How | From … to nodes | Milliseconds a node | Processor, ms |"
    yield "|---|---|---|---|---|"
    for (shape, name), points in curves_of(workloads).items():
        for (few, less), (many, more) in pairwise(points):
            added = many - few
            wall, cpu = (
                1000 * (median(more[field]) - median(less[field])) / added
                for field in ("wall_s", "cpu_s")
            )
            yield f"| {shape} | {name} | {few} … {many} | {wall:.0f} | {cpu:.0f} |"
    yield ""


def curves_of(workloads: list[Workload]) -> dict[tuple[str, str], list[tuple[int, Any]]]:
    """Return the figures by shape and contender, with the number of nodes, rising."""
    curves: dict[tuple[str, str], list[tuple[int, Any]]] = {}
    for workload in workloads:
        if workload["nodes"] is None:
            continue
        shape = workload["title"].split(" of ")[0]
        for name, figure in workload["contenders"].items():
            if "failed" not in figure:
                curves.setdefault((shape, name), []).append((workload["nodes"], figure))
    return {key: sorted(points, key=lambda point: point[0]) for key, points in curves.items()}


def draw_nine_nodes(workload: Workload, file: Path) -> None:
    """Draw a bar for each contender, the fastest on top."""
    figures = {
        name.replace("*", "").replace("`", ""): figure
        for name, figure in workload["contenders"].items()
        if "failed" not in figure
    }
    rows = sorted(figures.items(), key=lambda row: -median(row[1]["wall_s"]))
    plot, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
    names = [name + (" (isolated)" if figure["isolated"] else "") for name, figure in rows]
    seconds = [median(figure["wall_s"]) for _, figure in rows]
    colors = [OURS if name.startswith("ours") else THEIRS for name in names]
    axes.bar_label(axes.barh(names, seconds, color=colors), fmt="%.1f s", padding=3)
    axes.set_xlabel(f"seconds, {workload['title']}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.12)
    save(plot, file)


def draw_slopes(workloads: list[Workload], file: Path) -> None:
    """Draw seconds over nodes, one picture for each shape."""
    curves = curves_of(workloads)
    shapes = list(dict.fromkeys(shape for shape, _ in curves))
    plot, panels = plt.subplots(
        1, len(shapes), figsize=(9, 3.4), layout="constrained", squeeze=False
    )
    for shape, axes in zip(shapes, panels[0], strict=True):
        axes.set_prop_cycle(color=OTHERS)
        for (of_shape, name), points in curves.items():
            if of_shape == shape:
                axes.plot(
                    [nodes for nodes, _ in points],
                    [median(figure["wall_s"]) for _, figure in points],
                    marker="o",
                    label=name.replace("*", "").replace("`", ""),
                    color=OURS if "ours" in name else None,
                )
        axes.set(title=shape, xlabel="trivial nodes", ylabel="seconds", xscale="log", yscale="log")
        axes.legend(frameon=False, fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    save(plot, file)


def save(plot: Any, file: Path) -> None:
    """Write a picture that is the same for the same figures."""
    mpl.rcParams["svg.hashsalt"] = "kedro-pipes"
    plot.savefig(file, metadata={"Date": None})


def sums(left: list[float], right: list[float]) -> list[float]:
    """Return the sums of pairs."""
    return [sum(pair) for pair in zip(left, right, strict=True)]


if __name__ == "__main__":
    main()
