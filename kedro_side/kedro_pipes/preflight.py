"""What would go wrong, seen from the live project: credentials, types, versions, the store.

Makes no dataset and runs no node. Credentials are compared by name; no value is shown.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import fsspec
import kedro
import msgspec
from kedro.framework.startup import _get_project_metadata
from kedro.pipeline.node import Node as KedroNode
from kedro_manifest.errors import KedroPipesError, OrchestrationError
from kedro_manifest.findings import Finding, Places, list_names, sort_findings
from kedro_manifest.model import Manifest
from kedro_manifest.names import strip_transcoding
from kedro_manifest.orchestration.placement import Store
from kedro_manifest.orchestration.root import Orchestration, orchestration_of
from kedro_manifest.planning.graph import PipelineGraph
from kedro_manifest.planning.plan import Plan, plan_groups
from kedro_manifest.preflight.check import check_manifest, clients_of
from kedro_manifest.settings.hooks import fired_once

from kedro_pipes.export import (
    LiveProject,
    describe_project,
    in_its_file,
    ineffective_entries,
    open_live_project,
)
from kedro_pipes.project.configuration import (
    ConfigurationError,
    configuration_folders,
    read_config,
    relative_path,
)
from kedro_pipes.project.dataset_types import explain_missing_type
from kedro_pipes.project.hook_registration import unknown_names
from kedro_pipes.project.hook_state import kept_for_other_hooks
from kedro_pipes.project.loading import first_line
from kedro_pipes.project.orchestration_file import FILE
from kedro_pipes.project.redaction import redact_text, redact_uri
from kedro_pipes.project.surroundings import look_around
from kedro_pipes.worker.staging import absolute_url, make_folder

_CONFIGURATION_ENDS = frozenset({".yml", ".yaml", ".json"})
_TOP_KEY = re.compile(r"^(?:\"([^\"]+)\"|'([^']+)'|([^\s#\"'][^:]*?))\s*:(?:\s|$)", re.MULTILINE)
_QUIET_PLUGINS = ("kedro.", "kedro_telemetry", "kedro_pipes")
_DATA_HOOKS = ("after_catalog_created", "before_node_run", "before_pipeline_run")


def check_project(*, clients: Collection[str] = (), **options: Any) -> list[Finding]:
    """Return everything that the preflight finds in a project, errors first.

    Args:
        clients: Kinds of clients that run the workers; empty for those that `dagster.yml` names.
        options: Which project, and with which configuration (see `export_project`).

    Raises:
        KedroPipesError: The project cannot be loaded or described, so nothing can be said.
    """
    live = open_live_project(**options)
    unreadable = list(_check_readable_credentials(live))
    manifest = describe_project(live, parameter_values=False, probe=False)
    files = locate_entries(live)
    places = Places(manifest, files)
    around = look_around(live.context.config_loader, live.env, live.project.path)
    findings = check_manifest(manifest, clients=clients, catalog_files=files, around=around)
    if _hooks_may_add_data(live):
        findings = [_doubted(each) for each in findings]
    findings += unreadable or _check_credentials(live, manifest, places)
    findings += _check_types(manifest, places, is_here=_is_local(clients or clients_of(manifest)))
    findings += _check_kedro_version(live)
    findings += _check_staging(live, manifest, places)
    findings += _check_ineffective(live, manifest)
    findings += _check_hooks(live, manifest)
    return sort_findings(in_its_file(each, live) for each in findings)


def finding_of(error: KedroPipesError) -> Finding:
    """Return the finding for a project that cannot be described at all."""
    causes = {
        "OutputNotUniqueError": "two-writers",
        "CircularDependencyError": "circle",
        "DuplicateNameError": "duplicate-node",
        "ConfigurationError": "configuration",
        "PluginError": "plugin",
    }
    names = (type(error.__cause__).__name__, type(error).__name__)
    code = next((causes[name] for name in names if name in causes), "project")
    message, _, cure = str(error).rpartition(". ")
    return Finding(
        severity="error", code=code, place="project", message=f"{message}.", cure=cure or str(error)
    )


def locate_entries(live: LiveProject) -> dict[str, str]:
    """Return the file of each catalog entry, relative to the project; the environment's last."""
    files: dict[str, str] = {}
    for folder in configuration_folders(live.context.config_loader, live.env):
        for file in sorted(folder.rglob("*")):
            if file.suffix in _CONFIGURATION_ENDS and "catalog" in str(file.relative_to(folder)):
                files |= dict.fromkeys(_top_keys(file), relative_path(file, live.project.path))
    return files


def _top_keys(file: Path) -> Iterator[str]:
    """Names at the left margin: a search for places needs no more than that."""
    for match in _TOP_KEY.finditer(file.read_text(encoding="utf-8", errors="replace")):
        yield match[1] or match[2] or match[3]


def _hooks_may_add_data(live: LiveProject) -> bool:
    """Tell whether a hook of the project or of a plugin could provide what no entry describes."""
    hooks = live.hook_manager.hook
    return any(
        not str(implementation.function.__module__).startswith(_QUIET_PLUGINS)
        for name in _DATA_HOOKS
        for implementation in getattr(hooks, name).get_hookimpls()
    )


def _check_ineffective(live: LiveProject, manifest: Manifest) -> Iterator[Finding]:
    for entry in ineffective_entries(live, manifest):
        yield Finding(
            severity="warning",
            code="no-effect",
            place=f"{FILE}: {entry.place}",
            message=f"It {entry.reason}.",
            cure=entry.cure,
        )


def _check_hooks(live: LiveProject, manifest: Manifest) -> Iterator[Finding]:
    for name in unknown_names(live.blocked_plugins):
        yield Finding(
            severity="warning",
            code="unknown-hooks",
            place=f"{FILE}: blocked_plugins",
            message=f"No plugin '{name}' is installed.",
            cure="Write the name of its distribution, as `pip list` shows it, or take it out.",
        )
    try:
        once = {each.name for each in fired_once(manifest, orchestration_of(manifest))}
    except OrchestrationError:
        return  # A finding of its own.
    for name, attributes in kept_for_other_hooks(live.hook_manager).items():
        if name in once:
            yield Finding(
                severity="warning",
                code="hook-state",
                place=name,
                message=f"`before_pipeline_run` keeps {list_names(attributes)} in its object, and "
                "fires in a process of its own where workers are not forked: its other hooks do not "
                "find that there.",
                cure=f"Set `run_hooks: {{{name}: per_process}}` in dagster.yml, if they need it.",
            )


def _doubted(finding: Finding) -> Finding:
    if finding.code != "missing-input":
        return finding
    return msgspec.structs.replace(finding, severity="warning")


def _check_readable_credentials(live: LiveProject) -> Iterator[Finding]:
    """Report credentials that cannot be resolved, and go on without any."""
    loader: Any = live.context.config_loader
    try:
        read_config(loader, "credentials")
    except ConfigurationError as error:
        # Only what Kedro's loader says first: a name of a variable, never a value.
        loader["credentials"] = {}
        yield Finding(
            severity="error",
            code="credentials",
            place=f"{relative_path(Path(str(loader.conf_source)), live.project.path)}: credentials",
            message=redact_text(str(error).partition(". Repair")[0]) + ".",
            cure="Set the variable in the environment of the workers, or mend the file.",
        )


def _check_credentials(live: LiveProject, manifest: Manifest, places: Places) -> Iterator[Finding]:
    known = read_config(live.context.config_loader, "credentials").keys()
    reported = set()
    for dataset in manifest.datasets:
        name, place = dataset.credentials, places.dataset(dataset)
        if name is None or name in known or place in reported:
            continue
        reported.add(place)
        near = get_close_matches(name, known)
        yield Finding(
            severity="error",
            code="missing-credentials",
            place=place,
            message=f"'{dataset.name}' wants the credentials '{name}', which are not there"
            + (f" for environment '{live.env}'." if live.env else "."),
            cure=(f"Did you mean {list_names(near)}? " if near else "")
            + f"Add '{name}' to credentials.yml.",
        )


def _check_types(manifest: Manifest, places: Places, *, is_here: bool) -> Iterator[Finding]:
    """Find entries that no run could make: Kedro asks for a class only when it makes the dataset."""
    entries = {places.dataset(each): each for each in reversed(manifest.datasets) if each.type}
    for place, dataset in entries.items():
        if missing := explain_missing_type(dataset.type):
            reason, near = missing
            yield Finding(
                severity="error" if is_here else "warning",
                code="dataset-type",
                place=place,
                message=f"Kedro cannot find '{dataset.type}', the type of '{dataset.name}', in this "
                f"environment: {redact_text(reason)}.",
                cure=f"Did you mean {list_names(near)}?"
                if near
                else "Install its package in the project's environment, or give the entry another type.",
            )


def _is_local(clients: Collection[str]) -> bool:
    return set(clients) <= {"subprocess"}


def _check_kedro_version(live: LiveProject) -> Iterator[Finding]:
    """Compare what the project was made for with what is installed; Kedro minds majors only."""
    try:
        wanted = _get_project_metadata(live.project.path).kedro_init_version
    except Exception:  # noqa: BLE001 - a packaged project has no pyproject.toml
        return
    if wanted and _numbers(wanted)[:2] > _numbers(kedro.__version__)[:2]:
        yield Finding(
            severity="warning",
            code="kedro-version",
            place="pyproject.toml: tool.kedro.kedro_init_version",
            message=f"The project was made with Kedro {wanted}; {kedro.__version__} is installed.",
            cure=f"Install Kedro {wanted} or newer, or correct the version.",
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _check_staging(live: LiveProject, manifest: Manifest, places: Places) -> Iterator[Finding]:
    try:
        orchestration = orchestration_of(manifest)
    except OrchestrationError:
        return  # A finding of its own.
    plan = plan_of(manifest)
    if plan.staged or "store" in manifest.orchestration:
        yield from check_store(orchestration.store, live.project.path)
    nodes = {node.name: node for each in live.pipelines.values() for node in each.nodes}
    generators = [node for node in nodes.values() if inspect.isgeneratorfunction(node.func)]
    yield from _check_chunks(generators, plan, places)
    yield from _check_asynchronous(generators, plan, orchestration, places)


def plan_of(manifest: Manifest) -> Plan:
    """Return the plan of all nodes; an empty one where the groups are wrong."""
    try:
        graph = PipelineGraph(manifest)
        return plan_groups(graph, graph.nodes, orchestration_of(manifest).group_policy())
    except KedroPipesError:
        return Plan(groups=[])  # A finding of its own.


def check_store(store: Store, project_path: Path) -> Iterator[Finding]:
    """Check that data can be pickled and written to the place where it crosses between processes."""
    url = absolute_url(store.url, project_path)
    try:
        _try_to_write(url)
    except Exception as error:  # noqa: BLE001 - any library may be behind an fsspec URL
        yield Finding(
            severity="error",
            code="store",
            place="dagster.yml: store.url",
            message=f"Cannot write to '{redact_uri(store.url)}': {redact_text(first_line(error))}.",
            cure="Set `store.url` to a folder or fsspec URL that this user may write to.",
        )
    yield from _check_backend(store)


def _try_to_write(url: str) -> None:
    """Write and remove an empty file; of a local folder only ask, so that none is made."""
    file_system, path = fsspec.core.url_to_fs(url)
    if "file" in file_system.protocol:
        folder = Path(path)
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        if not folder.is_dir():
            raise NotADirectoryError(f"{folder} is no folder")
        if not os.access(folder, os.W_OK):
            raise PermissionError(f"{folder} is not writable")
        return
    probe = f"{path.rstrip('/')}/.kedro-pipes-check"
    make_folder(file_system, path)
    file_system.pipe_file(probe, b"")
    file_system.rm_file(probe)


def _check_backend(store: Store) -> Iterator[Finding]:
    try:
        module: Any = importlib.import_module(store.backend)
        reason = "" if hasattr(module, "dumps") and hasattr(module, "loads") else "no `dumps`"
    except ImportError as error:
        reason = first_line(error)
    if reason:
        yield Finding(
            severity="error",
            code="store-backend",
            place="dagster.yml: store.backend",
            message=f"Cannot pickle with '{store.backend}': {reason}.",
            cure="Install it, or use `pickle` or `cloudpickle`.",
        )


def _check_chunks(generators: list[KedroNode], plan: Plan, places: Places) -> Iterator[Finding]:
    """Find nodes that yield chunks into data that is to be staged."""
    for node in generators:
        crossing = [name for name in node.outputs if strip_transcoding(name) in plan.staged]
        if crossing:
            yield Finding(
                severity="warning",
                code="generator",
                place=places.node(node.name),
                message=f"Node '{node.name}' yields chunks, and {list_names(crossing)} keeps the last "
                "one only, in memory and staged alike.",
                cure="Give it a catalog entry that appends, or return the whole.",
            )


def _check_asynchronous(
    generators: list[KedroNode], plan: Plan, orchestration: Orchestration, places: Places
) -> Iterator[Finding]:
    """Find nodes that yield chunks in groups that save asynchronously."""
    asynchronous = {
        node
        for group in plan.groups
        if any(orchestration.groups[name].is_async for name in group.explicit)
        for node in group.nodes
    }
    for node in generators:
        if node.name in asynchronous:
            yield Finding(
                severity="error",
                code="generator-async",
                place=places.node(node.name),
                message=f"Node '{node.name}' yields chunks, and its group is to save asynchronously, "
                "which Kedro cannot do.",
                cure="Leave `is_async` out of its group, or take the node out of the group.",
            )
