"""Jobs with placeholders in their name, such as `"{product}__training"`, as the jobs they make.

A placeholder gets its values from the manifest: from the pipelines, namespaces, tags or nodes that
the job's own filter names with it. Pure; knows nothing of what jobs become.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from kedro_manifest.errors import OrchestrationError, UnknownNameError
from kedro_manifest.findings import list_names
from kedro_manifest.orchestration.jobs import Job
from kedro_manifest.planning.graph import PipelineGraph
from kedro_manifest.planning.selection import (
    DEFAULT_PIPELINE,
    NodeFilter,
    filter_nodes,
    namespaces_of,
)

Binding = dict[str, str]
"""What each placeholder stands for."""

_PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}")
_VALUES = {
    "pipelines": ("pipeline_name", ".+?"),
    "namespaces": ("node_namespaces", "[^.]+?"),
    "tags": ("tags", ".+?"),
    "node_names": ("node_names", "[^.]+?"),
}
"""Filters that give values, in the order in which they are asked: the key in the file, and what a
placeholder may stand for. One level of a namespace is one placeholder."""


class NamedJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job to be made, without any placeholder left."""

    name: str
    job: Job
    place: str
    """Where it stands in the file, and what placeholders stand for, such as
    `jobs.{product}__training (product=sofas)`."""


def expand_jobs(graph: PipelineGraph, jobs: Mapping[str, Job]) -> list[NamedJob]:
    """Return the jobs as written, and those that factories make of the nodes that there are.

    A job that is written comes before one that a factory would give the same name; of two
    factories the one with more literal characters in its name does.

    Raises:
        OrchestrationError: A factory makes no job, has a placeholder without a value, or gives a
            name twice.
    """
    made = {
        key: NamedJob(name=key, job=job, place=f"jobs.{key}")
        for key, job in jobs.items()
        if not is_factory(key)
    }
    origin: dict[str, str] = {}
    for key in sorted(filter(is_factory, jobs), key=lambda key: (-_literals(key), key)):
        for named in _made_by(graph, key, jobs[key]):
            rival = origin.get(named.name)
            if rival is not None and _literals(rival) == _literals(key):
                raise _given_twice(named, made[named.name])
            if named.name not in made:
                made[named.name] = named
                origin[named.name] = key
    return sorted(made.values(), key=lambda named: named.name)


def is_factory(key: str) -> bool:
    """Tell whether a job's name has placeholders."""
    return _PLACEHOLDER.search(key) is not None


def filter_of(job: Job) -> NodeFilter:
    """Return the filters of a job as those of `kedro run`; no pipeline is the default one."""
    wanted = job.pipeline
    if isinstance(wanted, str):
        return NodeFilter(pipelines=[wanted])
    return wanted.node_filter(otherwise=[DEFAULT_PIPELINE])


def _made_by(graph: PipelineGraph, key: str, factory: Job) -> Iterator[NamedJob]:
    """Yield the jobs of a factory, without those whose filters leave no node."""
    wanted = filter_of(factory)
    templates = [text for axis in _VALUES for text in getattr(wanted, axis)]
    if unbound := sorted(_placeholders(key) - _placeholders(*templates)):
        raise OrchestrationError.at(
            f"jobs.{key}",
            f"nothing gives placeholder '{unbound[0]}' a value",
            "Use it in the job's `pipeline`: in `pipeline_name`, `node_namespaces`, `tags` or "
            "`node_names`.",
        )
    found = False
    for binding in _bindings(graph, key, wanted):
        said = ", ".join(f"{name}={value}" for name, value in sorted(binding.items()))
        job = msgspec.convert(_filled(msgspec.to_builtins(factory), binding), Job)
        if _selects_something(graph, job):
            found = True
            yield NamedJob(name=_fill(key, binding), job=job, place=f"jobs.{key} ({said})")
    if not found:
        raise _nothing_matches(graph, key, wanted)


def _bindings(graph: PipelineGraph, key: str, wanted: NodeFilter) -> list[Binding]:
    """Return what the placeholders may stand for together.

    Filters narrow each other, so every filter with a placeholder has to know the value; entries of
    one filter widen it, so that its first one decides, and the others only bind what is new.
    """
    bindings: list[Binding] = [{}]
    bound: set[str] = set()
    for axis in _VALUES:
        first = True
        for template in getattr(wanted, axis):
            placeholders = _placeholders(template)
            if placeholders and (first or placeholders - bound):
                bindings = [
                    {**binding, **more}
                    for binding in bindings
                    for more in _matches(
                        _fill(template, binding),
                        axis,
                        _candidates(graph, key, wanted, axis, binding),
                    )
                ]
                bound |= placeholders
                first = False
    return list({tuple(sorted(binding.items())): binding for binding in bindings}.values())


def _matches(template: str, axis: str, candidates: Iterable[str]) -> Iterator[Binding]:
    """Yield the placeholders of a template as each candidate that fits has them."""
    seen: set[str] = set()
    pattern = ""
    for number, part in enumerate(_PLACEHOLDER.split(template)):
        if number % 2 == 0:
            pattern += re.escape(part)
        else:
            pattern += f"(?P={part})" if part in seen else f"(?P<{part}>{_VALUES[axis][1]})"
            seen.add(part)
    for candidate in candidates:
        if found := re.fullmatch(pattern, candidate):
            yield found.groupdict()


def _candidates(
    graph: PipelineGraph, key: str, wanted: NodeFilter, axis: str, binding: Binding
) -> list[str]:
    """Return what there is of pipelines, or of namespaces, tags or nodes in the job's pipelines."""
    pipelines = {pipeline.name: pipeline.nodes for pipeline in graph.manifest.pipelines}
    if axis == "pipelines":
        return sorted(pipelines)
    names = [_fill(name, binding) for name in wanted.pipelines]
    for name in names:
        if name not in pipelines:
            place = f"jobs.{key}.pipeline.pipeline_name"
            raise OrchestrationError.unknown(place, "pipeline", name, pipelines)
    nodes = [graph.nodes[node] for name in names for node in pipelines[name]]
    if axis == "namespaces":
        return sorted({name for node in nodes for name in namespaces_of(node.namespace)})
    if axis == "tags":
        return sorted({tag for node in nodes for tag in node.tags})
    return sorted({node.name for node in nodes})


def _selects_something(graph: PipelineGraph, job: Job) -> bool:
    try:
        return bool(filter_nodes(graph, filter_of(job)))
    except UnknownNameError:
        return True  # said with its place by whoever selects the job's nodes


def _filled(value: Any, binding: Binding) -> Any:
    if isinstance(value, str):
        return _fill(value, binding)
    if isinstance(value, dict):
        return {_filled(key, binding): _filled(inner, binding) for key, inner in value.items()}
    return [_filled(inner, binding) for inner in value] if isinstance(value, list) else value


def _fill(text: str, binding: Binding) -> str:
    """Braces around anything else are somebody else's, and stay."""
    return _PLACEHOLDER.sub(lambda match: binding.get(match[1], match[0]), text)


def _placeholders(*templates: str) -> set[str]:
    return {name for template in templates for name in _PLACEHOLDER.findall(template)}


def _literals(key: str) -> int:
    return len(_PLACEHOLDER.sub("", key))


def _given_twice(named: NamedJob, other: NamedJob) -> OrchestrationError:
    return OrchestrationError.at(
        named.place,
        f"{other.place} gives job '{named.name}' as well",
        "Put every placeholder of the filter into the job's name, and something between them.",
    )


def _nothing_matches(graph: PipelineGraph, key: str, wanted: NodeFilter) -> OrchestrationError:
    """The first filter with a placeholder is told, with what it could have matched."""
    axis, template = next(
        (axis, text) for axis in _VALUES for text in getattr(wanted, axis) if _placeholders(text)
    )
    known = axis == "pipelines" or not _placeholders(*wanted.pipelines)
    there = _candidates(graph, key, wanted, axis, {}) if known else []
    return OrchestrationError.at(
        f"jobs.{key}.pipeline.{_VALUES[axis][0]}",
        f"'{template}' stands for nothing that has nodes, so there is no job",
        f"There are {list_names(there)}." if there else "",
    )
