"""What nodes say of their outputs through `kedro_pipes.report`, until these are saved.

What a node said before its output was saved would be false if saving failed. Knows the nodes of
the invocation, not how anything is sent; safe to use from several threads.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
from kedro.pipeline.node import Node
from kedro_manifest.invocation import Invocation
from kedro_manifest.names import strip_transcoding

from kedro_pipes.worker.metadata_values import PipesMetadata, said_of_changed, value, values_of

logger = logging.getLogger("kedro_pipes.report")

COLUMN_LINEAGE = "dagster/column_lineage"
_SEVERITIES = ("ERROR", "WARN")


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a check that a node made of an output."""

    name: str
    passed: bool
    severity: str
    metadata: PipesMetadata


class Said:
    """All that was said of one output."""

    def __init__(self) -> None:
        self.metadata: PipesMetadata = {}
        self.checks: list[CheckResult] = []
        self.data_version: str | None = None


class _Wrong(Exception):  # noqa: N818 - a reason, never raised to a node
    """What is wrong with what a node said."""


class Statements:
    """Takes what nodes say, and gives it out once by what it is said of.

    Args:
        invocation: Which asset each dataset is.
        current_node: Returns the name of the node that is running, if that is known.
    """

    def __init__(self, invocation: Invocation, current_node: Callable[[], str | None]) -> None:
        self._invocation = invocation
        self._current_node = current_node
        self._nodes: Mapping[str, Node] = {}
        self._said: dict[str, Said] = {}
        self._given_out: set[str] = set()
        self._lock = threading.Lock()
        self._process_id = os.getpid()

    def know(self, nodes: Mapping[str, Node]) -> None:
        """Learn of the nodes that will run."""
        self._nodes = nodes

    def take(self, subject: str) -> Said:
        """Return what was said of a dataset (without transcoding), or of a node without outputs."""
        with self._lock:
            self._given_out.add(subject)
            return self._said.pop(subject, None) or Said()

    def lose(self, nodes: Iterable[Node]) -> None:
        """Tell in the log what was said of outputs that will never be saved, as nodes failed."""
        for subject in {name for node in nodes for name in subjects_of(node)}:
            for check in self.take(subject).checks:
                came_out = "passed" if check.passed else "failed"
                logger.warning(
                    f"Check '{check.name}' of '{subject}' {came_out}, and is not reported: "
                    f"'{subject}' was not saved."
                )

    def metadata(self, dataset: str | None, values: Any) -> None:
        """Keep metadata."""
        with _telling("metadata", dataset):
            checked = _metadata(values)
            with self._saying(dataset) as said:
                said.metadata.update(checked)

    def check(
        self, name: Any, dataset: str | None, passed: Any, severity: Any, values: Any
    ) -> None:
        """Keep the result of a check."""
        with _telling(f"check {name!r}", dataset):
            if severity not in _SEVERITIES:
                raise _Wrong(f"expected the severity 'ERROR' or 'WARN', got {severity!r}")
            result = CheckResult(
                name=_text(name, "name"),
                passed=bool(passed),  # NumPy's booleans are no `bool`
                severity=severity,
                metadata=_metadata(values),
            )
            with self._saying(dataset) as said:
                said.checks.append(result)

    def column_lineage(self, dataset: str | None, columns: Any) -> None:
        """Keep where columns come from."""
        with _telling("column lineage", dataset):
            if not isinstance(columns, Mapping):
                raise _Wrong(f"expected a mapping of columns, got a {type(columns).__qualname__}")
            sources = {
                _text(column, "column"): [self._source(*pair) for pair in made_of]
                for column, made_of in columns.items()
            }
            lineage = value("table_column_lineage", {"deps_by_column": sources})
            with self._saying(dataset) as said:
                said.metadata[COLUMN_LINEAGE] = lineage

    def data_version(self, dataset: str | None, version: Any) -> None:
        """Keep a data version."""
        with _telling("data version", dataset), self._saying(dataset) as said:
            said.data_version = _text(version, "version")

    @contextmanager
    def _saying(self, dataset: str | None) -> Iterator[Said]:
        subject = _find(dataset, self._names(subjects_of), "writes")
        if os.getpid() != self._process_id:
            raise _Wrong("it was said in a process that the node forked; say it in the node's own")
        with self._lock:
            if subject in self._given_out:
                raise _Wrong(f"'{subject}' has been saved already; say it before the node returns")
            yield self._said.setdefault(subject, Said())

    def _source(self, dataset: str, column: str) -> dict[str, str]:
        name = _find(dataset, self._names(_inputs_of), "reads")
        key = self._invocation.known_assets.get(name, name)
        return {"asset_key": key, "column_name": _text(column, "column")}

    def _names(self, of_node: Callable[[Node], list[str]]) -> list[str]:
        """Return the names that may be meant: of the node that is running, else of all nodes."""
        current = self._nodes.get(self._current_node() or "")
        nodes = [current] if current is not None else list(self._nodes.values())
        return list(dict.fromkeys(name for node in nodes for name in of_node(node)))


def subjects_of(node: Node) -> list[str]:
    """Return what a node may speak of: its outputs without transcoding, itself if it has none."""
    return [strip_transcoding(name) for name in node.outputs] or [node.name]


def _inputs_of(node: Node) -> list[str]:
    return [strip_transcoding(name) for name in node.inputs]


def _find(given: str | None, known: list[str], does: str) -> str:
    """Return the one name that is meant; a namespace may be left out."""
    if given is None:
        found = known
    else:
        wanted = strip_transcoding(_text(given, "dataset"))
        found = [name for name in known if name == wanted]
        found = found or [name for name in known if name.endswith(f".{wanted}")]
    if len(found) == 1:
        return found[0]
    there = ", ".join(f"'{name}'" for name in known) or "nothing"
    raise _Wrong(f"expected the name of a dataset that the node {does} ({there}), got {given!r}")


def _metadata(values: Any) -> PipesMetadata:
    if not isinstance(values, Mapping):
        raise _Wrong(f"expected a mapping of names to values, got a {type(values).__qualname__}")
    converted, changed = values_of(values)
    if changed:
        logger.warning(said_of_changed(changed))
    return converted


def _text(given: Any, what: str) -> str:
    if not isinstance(given, str) or not given:
        raise _Wrong(f"expected its {what} as a text, got {given!r}")
    return given


@contextmanager
def _telling(what: str, dataset: Any) -> Iterator[None]:
    """Let nothing that is wrong with a report fail the node: the log tells it."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - a foreign object may raise anything
        of = f" of '{dataset}'" if isinstance(dataset, str) else ""
        reason = error if isinstance(error, _Wrong) else f"{type(error).__name__}: {error}"
        logger.warning(f"Cannot report {what}{of}: {reason}.")
