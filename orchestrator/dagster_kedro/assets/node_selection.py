"""Which nodes of a project become assets: pipelines, filters, and what they leave out.

The words are those of `jobs.<name>.pipeline` in `dagster.yml`. Definition time only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from kedro_manifest.errors import UnknownNameError
from kedro_manifest.orchestration.jobs import PipelineFilter
from kedro_manifest.planning.selection import filter_nodes

from dagster_kedro.assets.index import AssetIndex

Selected = str | PipelineFilter
"""A registered pipeline, or filters as those of `kedro run`."""


class NodeSelection(msgspec.Struct, frozen=True, kw_only=True):
    """What a user takes of one project; nothing said means everything."""

    pipelines: Sequence[str] | None = None
    select: Selected | None = None
    exclude: Selected | None = None

    @property
    def named_pipelines(self) -> Sequence[str] | None:
        """The pipelines that are taken by name; None where every one is."""
        if self.pipelines is not None or self.select is None:
            return self.pipelines
        return _filter(self.select).pipelines or None

    def words(self) -> Iterator[str]:
        """Yield the names that it uses, to tell two selections of one project apart."""
        yield from self.pipelines or ()
        if self.select is not None:
            yield from _words(_filter(self.select))
        if self.exclude is not None:
            yield "without"
            yield from _words(_filter(self.exclude))

    def nodes_in(self, index: AssetIndex) -> set[str]:
        """Return the selected nodes.

        Raises:
            UnknownNameError: A name that is not there, or filters that leave no node.
        """
        nodes = index.nodes_of(self.pipelines)
        if self.select is not None:
            nodes &= _matching(index, self.select, "select")
        if self.exclude is not None:
            nodes -= _matching(index, self.exclude, "exclude")
        if not nodes and (self.select or self.exclude):
            raise UnknownNameError(
                f"Cannot make assets of project '{index.manifest.project.name}': `select` and "
                "`exclude` leave no node. Take one of the filters away, or widen it."
            )
        return nodes


def _matching(index: AssetIndex, selected: Selected, argument: str) -> set[str]:
    # As long as nothing is selected every pipeline is taken, so a filter narrows all of them.
    every = [pipeline.name for pipeline in index.manifest.pipelines]
    try:
        return filter_nodes(index.graph, _filter(selected).node_filter(every))
    except UnknownNameError as error:
        raise UnknownNameError(f"Cannot use `{argument}`: {error}") from error


def _filter(selected: Selected) -> PipelineFilter:
    return PipelineFilter(pipeline_name=selected) if isinstance(selected, str) else selected


def _words(wanted: PipelineFilter) -> Iterator[str]:
    for value in msgspec.structs.asdict(wanted).values():
        yield from [value] if isinstance(value, str) else value or ()
