"""A plan as a picture: Mermaid text, which GitHub draws, and SVG made of that text. Pure."""

from __future__ import annotations

import importlib

from kedro_manifest.errors import KedroPipesError

from kedro_pipes.commands.plan_view import Edge, EdgeKind, GroupView, PlanView

MOST_EDGES = 500
"""More than that Mermaid refuses."""
MOST_BOXES_IN_SVG = 100
"""More than that take minutes."""

_ARROWS: dict[EdgeKind, str] = {"persisted": "-->", "memory": "-.->", "staged": "==>"}
_ESCAPES = str.maketrans(
    {'"': "#quot;", "#": "#35;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;"}
)


class PictureError(KedroPipesError):
    """A plan cannot be drawn.

    Cure: install the library that the message names, or select less.
    """


def draw_mermaid(view: PlanView, most_boxes: int | None = None) -> str:
    """Return a flowchart: a box for each node and a frame for each group of several.

    Where that is too much, groups are boxes. Dotted arrows are data in memory, thick ones staged
    data, dashed boxes what runs besides the selection.

    Args:
        view: What to draw.
        most_boxes: More nodes than that are drawn as groups only.
    """
    nodes = [node for group in view.groups for node in group.nodes]
    pairs = _pairs(view.edges)
    if len(pairs) > MOST_EDGES or (most_boxes is not None and len(nodes) > most_boxes):
        return _draw_groups(view)
    ids = {name: f"n{index}" for index, name in enumerate(nodes)}
    lines = ["flowchart LR"]
    for index, group in enumerate(view.groups):
        lines += _draw_group(group, index, ids)
    lines += [_arrow(ids[edge.source], ids[edge.target], edge.kind, text) for edge, text in pairs]
    if view.added:
        lines += ["  classDef besides stroke-dasharray: 4 3"]
        lines += [f"  class {','.join(ids[name] for name in view.added)} besides"]
    return "\n".join(lines)


def draw_svg(view: PlanView) -> str:
    """Return a picture that Mermaid itself has laid out, without a browser.

    Raises:
        PictureError: The library is not installed, or there is too much to draw.
    """
    if len(view.groups) > MOST_BOXES_IN_SVG:
        raise PictureError(
            f"Cannot draw {len(view.groups)} groups: more than {MOST_BOXES_IN_SVG} take minutes. "
            "Select less, such as one pipeline with `--pipelines NAME`, or use `--format mermaid`."
        )
    try:
        mermaidx = importlib.import_module("mermaidx")
    except ImportError as error:
        raise PictureError(
            "Cannot draw SVG: mermaidx is not installed. Install it with "
            "`pip install 'kedro-dagster-pipes[svg]'`, or use `--format mermaid`."
        ) from error
    return str(mermaidx.render(draw_mermaid(view, MOST_BOXES_IN_SVG)).svg())


def _draw_group(group: GroupView, index: int, ids: dict[str, str]) -> list[str]:
    boxes = [f"  {ids[name]}[{_quote(name)}]" for name in group.nodes]
    if len(boxes) == 1:
        return boxes
    frame = f"  subgraph g{index}[{_quote(group.name)}]"
    return [frame, *(f"  {box}" for box in boxes), "  end"]


def _draw_groups(view: PlanView) -> str:
    ids = {group.name: f"g{index}" for index, group in enumerate(view.groups)}
    boxes = [f"  {ids[group.name]}[{_quote(_title(group))}]" for group in view.groups]
    arrows = [
        _arrow(ids[before], ids[group.name]) for group in view.groups for before in group.upstream
    ]
    return "\n".join(["flowchart LR", *boxes, *arrows])


def _title(group: GroupView) -> str:
    size = len(group.nodes)
    return group.name if size == 1 else f"{group.name} ({size} nodes)"


def _pairs(edges: list[Edge]) -> list[tuple[Edge, str]]:
    """Return one edge for each two nodes and kind, with the datasets that are no file."""
    datasets: dict[tuple[str, str, str], tuple[Edge, list[str]]] = {}
    for edge in edges:
        key = (edge.source, edge.target, edge.kind)
        datasets.setdefault(key, (edge, []))[1].append(edge.dataset)
    return [
        (edge, "" if edge.kind == "persisted" else ", ".join(names))
        for edge, names in datasets.values()
    ]


def _arrow(source: str, target: str, kind: EdgeKind = "persisted", text: str = "") -> str:
    label = f"|{_quote(text)}|" if text else ""
    return f"  {source} {_ARROWS[kind]}{label} {target}"


def _quote(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'
