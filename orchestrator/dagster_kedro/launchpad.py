"""The resource as the Launchpad shows it: every setting typed, every parameter by its name.

What may be configured comes from the manifest, so that a wrong name or type is refused before
anything starts. Definition time and the start of a step; knows no processes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import dagster as dg
from kedro_manifest.model import Manifest
from kedro_manifest.orchestration.clients import DEFAULT_CLIENT, AnyClient
from kedro_manifest.orchestration.root import orchestration_of
from kedro_manifest.parameter_tree import Branch, settable_tree, without_defaults
from kedro_manifest.settings.job_runs import versioned_datasets

from dagster_kedro.clients.directory import set_up_client
from dagster_kedro.clients.subprocess import KedroSubprocessClient
from dagster_kedro.configuration.run_configuration import merged
from dagster_kedro.project import KedroProject
from dagster_kedro.resource import KedroPipesResource
from dagster_kedro.sharing import Shared

_LOG_LEVEL = dg.Enum(
    "kedro_log_level",
    [dg.EnumValue(level) for level in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")],
)
_LEAVES: dict[str, Any] = {
    "string": dg.Noneable(dg.String),
    "integer": dg.Noneable(dg.Int),
    "number": dg.Noneable(dg.Float),
    "boolean": dg.Noneable(dg.Bool),
    "array": dg.Noneable(dg.Array(dg.Noneable(dg.Any))),
    "object": dg.Permissive(),
}
"""What may stand for each type of parameter; null may stand for any, as in Kedro."""

_WORKER = {
    name: dg.Field(kind, is_required=False, description=description)
    for name, kind, description in (
        ("python", dg.String, "Interpreter of the workers."),
        ("env", dg.Map(str, str), "Environment variables that are set for every worker."),
        ("image", dg.String, "Image of the workers' containers."),
        ("resources", dg.Permissive(), "CPU, memory and the like of the workers' containers."),
        ("timeout_s", dg.Float, "Seconds after which a worker is stopped."),
    )
}
_DESCRIPTIONS = {
    "env": "Kedro environment. Default: that of the manifest.",
    "parameters": "Runtime parameters, as of `kedro run --params`. What equals its default here "
    "is left to Kedro, and to its environment.",
    "load_versions": "Version to load, by dataset.",
    "only_missing_outputs": "Run only nodes with an output that is not there yet.",
    "max_concurrent": "Workers at a time; 0 for as many as there are processors. Default: what "
    "dagster.yml says.",
    "log_level": "Lowest level of the nodes' log records that reach Dagster. Default: what "
    "dagster.yml says, else INFO.",
    "worker": "Settings of every worker of this run, over those of its client.",
    "client": "Which of the clients of dagster.yml runs the nodes.",
}
_RUNTIME_ONLY = (
    "Not in parameters.yml: the configuration reads it with `${runtime_params:…}`, and has a default "
    "for it."
)

_TYPED: Shared[dg.ResourceDefinition] = Shared()


def launchpad_resource(
    project: KedroProject | Manifest,
    resource: KedroPipesResource | None = None,
    clients: Mapping[str, AnyClient] | None = None,
) -> dg.ResourceDefinition:
    """Return the resource with a configuration that is typed from a manifest.

    Equal arguments give the same object, so that definitions with it can be merged.

    Args:
        project: The project, or its manifest: gives the parameters, with their types and
            defaults, and the versioned datasets.
        resource: What is used where a run says nothing. Default: processes on this machine.
        clients: Those that a run may choose from; the one named `default` goes before the
            resource's own. Default: those of `dagster.yml`.

    Example:
        >>> dg.Definitions(assets=[models], resources={"kedro": launchpad_resource(project)})
    """
    manifest = project.manifest if isinstance(project, KedroProject) else project
    resource = resource or KedroPipesResource(client=KedroSubprocessClient())
    known = dict(orchestration_of(manifest).clients if clients is None else clients)
    return _TYPED.get((manifest, resource, known), lambda: _typed(manifest, resource, known))


def _typed(
    manifest: Manifest, resource: KedroPipesResource, clients: Mapping[str, AnyClient]
) -> dg.ResourceDefinition:
    tree = settable_tree(manifest)

    def start(context: dg.InitResourceContext) -> Iterator[KedroPipesResource]:
        config = dict(context.resource_config or {})
        # What equals its default was filled in by Dagster: sent along, it would win over what
        # another Kedro environment says.
        given = without_defaults(config.pop("parameters", {}), tree)
        if "client" in config:
            config["client_name"] = config.pop("client")
        with ExitStack() as stack:
            ready = stack.enter_context(resource.process_config_and_initialize_cm())
            chosen = config.get("client_name") or ready.client_name or DEFAULT_CLIENT
            if chosen in clients:
                config["client"] = set_up_client(stack, chosen, clients[chosen])
            parameters = merged(ready.parameters, given)
            yield ready.model_copy(update={**config, "parameters": parameters})

    return dg.ResourceDefinition(
        resource_fn=start,
        config_schema=dg.Field(dg.Shape(_fields(manifest, tree, clients))),
        description="Runs Kedro nodes out of process.",
    )


def _fields(
    manifest: Manifest, tree: Mapping[str, Branch], clients: Collection[str]
) -> dict[str, dg.Field]:
    kinds: dict[str, Any] = {
        "env": dg.Noneable(dg.String),
        "load_versions": dg.Shape(
            {name: dg.Field(dg.String, is_required=False) for name in versioned_datasets(manifest)}
        ),
        "only_missing_outputs": dg.Bool,
        "max_concurrent": dg.Int,
        "log_level": _LOG_LEVEL,
        "worker": dg.Shape(_WORKER),
    }
    if clients:
        names = [dg.EnumValue(name) for name in sorted(clients)]
        kinds["client"] = dg.Enum(f"client_of_{manifest.project.package_name}", names)
    fields = {
        name: dg.Field(kind, is_required=False, description=_DESCRIPTIONS[name])
        for name, kind in kinds.items()
    }
    # Not marked as optional: only then does Dagster fill in the defaults for a person to edit.
    fields["parameters"] = dg.Field(_shape(tree), description=_DESCRIPTIONS["parameters"])
    return fields


def _shape(tree: Mapping[str, Branch]) -> dg.Shape:
    return dg.Shape({key: _parameter_field(branch) for key, branch in tree.items()})


def _parameter_field(branch: Branch) -> dg.Field:
    parameter = branch.parameter
    kind = _LEAVES.get(parameter.type, dg.Noneable(dg.Any))
    if branch.runtime_only and not branch.children:
        return dg.Field(kind, is_required=False, description=_RUNTIME_ONLY)
    if branch.children:
        return dg.Field(_shape(branch.children))
    if parameter.value is None or parameter.type == "other":
        said = f"Default: {parameter.value}" if parameter.value is not None else None
        return dg.Field(kind, is_required=False, description=said)
    return dg.Field(kind, default_value=parameter.value, is_required=False)
