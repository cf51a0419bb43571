"""A Kedro project as a Dagster component: `defs.yaml` in, definitions out.

Its state is the manifest. Only says what `build_definitions` is to be called with; annotations
are not postponed here, since Dagster reads them.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, get_args

import dagster as dg
from dagster.components import DefsStateConfig, DefsStateConfigArgs, ResolvedDefsStateConfig
from dagster.components.utils.translation import TranslationFn, TranslationFnResolver
from kedro_manifest.errors import UnknownNameError
from kedro_manifest.orchestration.root import StepPer, orchestration_of

from dagster_kedro.assets.node_selection import NodeSelection, Selected
from dagster_kedro.assets.op_settings import KedroOpSpec
from dagster_kedro.assets.translator import DagsterKedroTranslator, KedroAsset
from dagster_kedro.clients.subprocess import KedroSubprocessClient
from dagster_kedro.component.attributes import (
    COMPONENT,
    KedroProjectModel,
    PipelineFilterModel,
    require_one_of,
    resolve_filter,
    resolve_project,
    selected_by,
)
from dagster_kedro.component.scaffolder import KedroProjectScaffolder
from dagster_kedro.definitions import build_definitions
from dagster_kedro.errors import ProjectError
from dagster_kedro.project import KedroProject
from dagster_kedro.resource import KedroPipesResource

_FILTER_EXAMPLES = ["training", {"pipeline_name": "training", "tags": ["daily"]}]


def _scope(asset: KedroAsset) -> dict[str, Any]:
    return {"asset": asset, "node": asset.node, "dataset": asset.dataset}


@dg.scaffold_with(KedroProjectScaffolder)
@dataclass(kw_only=True)
class KedroProjectComponent(dg.StateBackedComponent, dg.Resolvable):
    """Everything that a Kedro project and its `dagster.yml` give, out of one `defs.yaml`.

    Example:
        ```yaml
        type: dagster_kedro.KedroProjectComponent
        attributes:
          project: "{{ context.project_root }}/my-kedro-project"
        ```
    """

    project: Annotated[
        KedroProject,
        dg.Resolver(
            resolve_project,
            model_field_type=str | KedroProjectModel,
            description="Folder of the Kedro project, or a mapping with it and more.",
            examples=[
                "{{ context.project_root }}/my-kedro-project",
                {
                    "project_dir": "{{ context.project_root }}/my-kedro-project",
                    "python": ".venv/bin/python",
                    "env": "prod",
                },
            ],
        ),
    ]
    select: Annotated[
        Selected | None,
        dg.Resolver(
            resolve_filter,
            model_field_type=str | PipelineFilterModel | None,
            description="A registered pipeline or filters as those of `kedro run`. Default: all "
            "nodes of all pipelines.",
            examples=_FILTER_EXAMPLES,
        ),
    ] = None
    exclude: Annotated[
        Selected | None,
        dg.Resolver(
            resolve_filter,
            model_field_type=str | PipelineFilterModel | None,
            description="As `select`: nodes to leave out.",
            examples=_FILTER_EXAMPLES,
        ),
    ] = None
    translation: Annotated[
        TranslationFn[KedroAsset] | None, TranslationFnResolver[KedroAsset](_scope)
    ] = None
    op: Annotated[
        KedroOpSpec | None,
        dg.Resolver.default(
            description="Name, pool, tags and policies of the op.",
            examples=[{"name": "flights", "pool": "warehouse"}],
        ),
    ] = None
    step_per: Annotated[
        StepPer | None,
        dg.Resolver.default(
            description="Whether a run is one step of Dagster, or one for each pipeline or group, or "
            "that is chosen by size (`auto`). Default: what dagster.yml says."
        ),
    ] = None
    client: Annotated[
        str | None,
        dg.Resolver.default(
            description="Name of the client, of those in dagster.yml, that runs the nodes."
        ),
    ] = None
    max_concurrent: Annotated[
        int | None,
        dg.Resolver.default(
            description="Workers at a time; 0 for as many as there are processors."
        ),
    ] = None
    parameters: Annotated[
        dict[str, Any],
        dg.Resolver.default(
            description="Runtime parameters, nested; merged as by `kedro run --params`.",
            examples=[{"model": {"depth": 4}}],
        ),
    ] = field(default_factory=dict)
    external_assets: Annotated[
        bool,
        dg.Resolver.default(
            description="Whether what the project only reads gets assets; false where other "
            "definitions make them."
        ),
    ] = True
    defs_state: ResolvedDefsStateConfig = field(
        default_factory=DefsStateConfigArgs.local_filesystem
    )

    def __post_init__(self) -> None:
        # Dagster lets a string stand for any value, since it could be a template, and takes what
        # a template gives as it is.
        self.select = selected_by("select", self.select)
        self.exclude = selected_by("exclude", self.exclude)
        require_one_of("step_per", self.step_per, get_args(StepPer))
        require_one_of("external_assets", self.external_assets, (True, False))

    @property
    def defs_state_config(self) -> DefsStateConfig:
        """Where Dagster keeps the manifest, and whether `dagster dev` and `dg` refresh it."""
        project = self.project
        name = "/".join([*project.key_prefix, project.project_dir.name])
        # Dagster wants two components to have two states, also where they are the same; and keys
        # become names of folders, in which only these characters tell them apart.
        parts = [f".env-{project.env}"] if project.env else []
        parts += [f".conf-{project.conf_source}"] if project.conf_source else []
        selection = NodeSelection(select=self.select, exclude=self.exclude)
        parts += [f".{word}" for word in selection.words()]
        key = "".join([name, *parts])
        return DefsStateConfig.from_args(self.defs_state, default_key=f"{COMPONENT}[{key}]")

    def get_asset_spec(self, asset: KedroAsset) -> dg.AssetSpec:
        """Return the spec of one asset, before the templates of `translation` are applied."""
        return DagsterKedroTranslator().get_asset_spec(asset)

    def execute(
        self, context: dg.AssetExecutionContext, kedro: KedroPipesResource
    ) -> Iterator[Any]:
        """Run the selected assets of a step, and yield what is made."""
        yield from kedro.run(context).stream()

    def get_resource(self) -> KedroPipesResource:
        """Return the resource that runs the nodes, for a subclass that brings a client."""
        settings: dict[str, Any] = {
            "client_name": self.client,
            "max_concurrent": self.max_concurrent,
            "parameters": self.parameters,
        }
        given = {name: value for name, value in settings.items() if value is not None}
        return KedroPipesResource(client=KedroSubprocessClient(), **given)

    def write_state_to_path(self, state_path: Path) -> None:
        """Export the manifest; without an interpreter take the one that somebody else exported.

        Raises:
            ProjectError: It cannot be exported, and there is none.
        """
        if self.project.python is not None:
            self.project.export(state_path)
        elif self.project.manifest_path.is_file():
            shutil.copyfile(self.project.manifest_path, state_path)
        else:
            raise ProjectError(self._no_manifest("it has no `.venv`"))

    def build_defs_from_state(
        self,
        context: dg.ComponentLoadContext,  # noqa: ARG002 - of the base class
        state_path: Path | None,
    ) -> dg.Definitions:
        """Return the definitions of the manifest that is the state, or lies in the project.

        Raises:
            ProjectError: There is neither.
            UnknownNameError: An attribute names what is not there.
        """
        manifest = state_path or self.project.manifest_path
        if not manifest.is_file():
            raise ProjectError(self._no_manifest("it was not exported yet"))
        project = self.project.pinned_to(manifest)
        self._check_client(project)
        return build_definitions(
            project,
            select=self.select,
            exclude=self.exclude,
            translator=_ComponentTranslator(self),
            resource=self.get_resource(),
            step_per=self.step_per,
            external_assets=self.external_assets,
            op=self.op,
            execute=self.execute,
        )

    def _check_client(self, project: KedroProject) -> None:
        clients = orchestration_of(project.manifest).clients
        if self.client is not None and self.client not in clients:
            raise UnknownNameError(
                f"Cannot use attribute `client` of {COMPONENT}: there is no client "
                f"'{self.client}' in dagster.yml, only {sorted(clients)}. Name one of those, or "
                "write it there under `clients` and export again."
            )

    def _no_manifest(self, reason: str) -> str:
        return (
            f"Cannot load {COMPONENT} of '{self.project.project_dir}': {reason}, and there is no "
            f"manifest '{self.project.manifest_path}'. Name the interpreter of the project's "
            "environment as `project.python` and run `dg utils refresh-defs-state`, or write the "
            "manifest there with `kedro pipes export`."
        )


class _ComponentTranslator(DagsterKedroTranslator):
    """What the component's class makes of an asset, then what its templates change."""

    def __init__(self, component: KedroProjectComponent) -> None:
        self._component = component

    def get_asset_spec(self, asset: KedroAsset) -> dg.AssetSpec:
        spec = self._component.get_asset_spec(asset)
        translation = self._component.translation
        return translation(spec, asset) if translation is not None else spec
