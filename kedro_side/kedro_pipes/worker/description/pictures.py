"""Pictures for Dagster's interface: saved images and Plotly figures as Markdown.

Dagster shows Markdown, and images in it, but runs no script: a Plotly figure is drawn here where
Kaleido can, and told in words elsewhere. Reads small image files that were written just now.
"""

from __future__ import annotations

import base64
import io
import math
import sys
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kedro_pipes.worker.description.places import SavedFile

MOST_BYTES = 300_000
"""Of one image, and of all of a dataset together; Dagster keeps them in its database."""
_LARGEST_READ = 20_000_000
_WIDTHS = (1000, 500)
_MOST_TRACES = 20
_FIGURE_SIZE = {"width": 800, "height": 450}
_KINDS = {
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".gif": "gif",
    ".webp": "webp",
    ".svg": "svg+xml",
}


def saved_images(files: Iterable[SavedFile]) -> str | None:
    """Return the images among some files as Markdown, as many as there is room for."""
    shown: list[str] = []
    left = MOST_BYTES
    for file in files:
        kind = _KINDS.get(file.local.suffix.lower()) if file.local is not None else None
        if file.local is None or kind is None:
            continue
        content, kind = _small_enough(file.local, kind, left)
        if content is None:
            break
        left -= len(content)
        shown.append(embedded(content, kind, file.local.name))
    return "\n\n".join(shown) or None


def embedded(content: bytes, kind: str, name: str) -> str:
    """Return an image as Markdown that holds it."""
    return f"![{name}](data:image/{kind};base64,{base64.b64encode(content).decode()})"


def is_plotly_figure(data: Any) -> bool:
    """Tell whether data is a figure of Plotly's."""
    return any(
        kind.__module__.startswith("plotly.") and kind.__name__ in {"Figure", "BaseFigure"}
        for kind in type(data).__mro__
    )


def plotly_figure(figure: Any) -> str:
    """Return a figure of Plotly's as Markdown: a picture, or words where none can be made."""
    return _plotly_picture(figure) or _plotly_in_words(figure)


def _plotly_picture(figure: Any) -> str | None:
    if find_spec("kaleido") is None:
        return None
    try:
        content = figure.to_image("png", **_FIGURE_SIZE)
    except Exception:  # noqa: BLE001 - no browser, an older Kaleido, …: there are words
        return None
    return embedded(content, "png", "figure") if len(content) <= MOST_BYTES else None


def _plotly_in_words(figure: Any) -> str:
    """Return the title and the traces of a figure of Plotly's as Markdown."""
    title = getattr(figure.layout.title, "text", None) or "Plotly figure"
    traces = [_trace(each) for each in figure.data[:_MOST_TRACES]]
    more = len(figure.data) - len(traces)
    return "\n".join([f"**{title}**", "", *traces, *([f"- … {more} more"] if more else [])])


def _trace(trace: Any) -> str:
    points: Sequence[int] = [
        len(values)
        for name in ("x", "y", "z", "values", "lat", "r")
        if (values := getattr(trace, name, None)) is not None and hasattr(values, "__len__")
    ]
    count = f", {max(points)} points" if points else ""
    name = f" {trace.name}" if getattr(trace, "name", None) else ""
    return f"- {trace.type}{name}{count}"


def _small_enough(path: Path, kind: str, room: int) -> tuple[bytes | None, str]:
    """Return an image that fits into some room, made smaller if need be; None if it cannot be."""
    size = path.stat().st_size
    if size <= room:
        return path.read_bytes(), kind
    pillow = sys.modules.get("PIL.Image")  # Matplotlib writes its images with it
    if pillow is None or size > _LARGEST_READ or kind == "svg+xml":
        return None, kind
    with pillow.open(path) as image:
        whole = image.convert("RGBA")
    for width in _WIDTHS:
        # Much quicker than `resize`, and good enough to see what is there.
        drawing = whole.reduce(math.ceil(max(whole.size) / width))
        page = pillow.new("RGB", drawing.size, "white")
        page.paste(drawing, mask=drawing.getchannel("A"))
        stream = io.BytesIO()
        page.save(stream, "jpeg", quality=80)
        if stream.tell() <= room:
            return stream.getvalue(), "jpeg"
    return None, kind
