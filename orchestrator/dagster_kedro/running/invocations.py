"""What each worker of a run is asked to do: which versions it loads, what is staged where.

Knows what earlier groups and earlier attempts have saved. Starts nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

import dagster as dg
from kedro_manifest.invocation import (
    ExpectedNode,
    Invocation,
    MlflowEnd,
    MlflowRun,
    RunBegins,
    RunEnds,
)
from kedro_manifest.model import Node
from kedro_manifest.names import strip_transcoding
from kedro_manifest.orchestration.root import Orchestration, orchestration_of
from kedro_manifest.parameter_tree import integer_keys, parameter_tree
from kedro_manifest.planning.graph import inputs_of, outputs_of
from kedro_manifest.planning.grouping import is_staged
from kedro_manifest.planning.plan import Group, Plan
from kedro_manifest.settings.hooks import fired_once
from kedro_manifest.settings.workers import most_attempts

from dagster_kedro.assets.checks import KedroCheck
from dagster_kedro.assets.index import AssetIndex
from dagster_kedro.configuration.settings import RunSettings
from dagster_kedro.running.attempts import Finished, resumed_versions
from dagster_kedro.running.earlier_versions import earlier_versions
from dagster_kedro.running.other_steps import OtherSteps
from dagster_kedro.running.slices import RunSlice

_LONGEST_NAME = 200


class Invocations:
    """Makes the invocations of one run, group by group.

    Args:
        context: The step's.
        index: Of the project's assets.
        settings: Of all groups.
        orchestration: Where staged data goes.
        selected: Selected datasets, and nodes without outputs, by Kedro's names.
        finished: What earlier attempts have made.
        plan: What will run.
        others: The run's other steps.
        run_slice: What the run makes of partitioned assets.
    """

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        index: AssetIndex,
        *,
        settings: RunSettings,
        orchestration: Orchestration,
        selected: set[str],
        finished: Mapping[dg.AssetKey, Finished],
        plan: Plan,
        others: OtherSteps,
        run_slice: RunSlice,
    ) -> None:
        self._created = _creation_of_run(context)
        # Each try of the step has room for as many attempts as any group may take, so that the
        # third attempt of the first try is not the first one of the second.
        self._attempts_before = context.retry_number * most_attempts(orchestration)
        self.kedro_run_id = self._run_id_of(attempt=1)
        self._dagster_run_id = context.run_id
        self._are_left_to_the_worker = False
        self._index = index
        self._others = others
        self._settings = settings
        self._orchestration = orchestration
        self._selected = selected
        self._versions = earlier_versions(context, index, plan, run_slice)
        self._versions.update(others.versions())
        self._versions.update(
            (index.by_key[key].name, version)
            for key, version in resumed_versions(context).items()
            if key in index.by_key
        )
        self._versions.update(
            (index.by_key[key].name, asset.version)
            for key, asset in finished.items()
            if asset.version is not None
        )
        self._validated: set[str] = set()
        self._plan = plan
        self._fired_once = fired_once(index.manifest, orchestration)
        self._hooks_once = [each.name for each in self._fired_once]
        self._hooks_per_process = [
            each.name for each in index.manifest.hooks if each not in self._fired_once
        ]
        self._results: set[str] = set()
        staged = _staged(plan, index, others)
        self._staged = {name: self._staging_url(name) for name in staged}
        if len(plan.groups) > 1 or others.has_any:
            self.stage_results()
        self._staged.update(others.staged())
        self._staged.update(
            (index.by_key[key].name, asset.staged_at)
            for key, asset in finished.items()
            if asset.staged_at is not None
        )

    def stage_results(self) -> None:
        """Keep what hooks get as the result of the run for another process than the nodes'."""
        if any(each.takes_result for each in self._fired_once):
            self._results = _results_in_memory(self._plan, self._index)
            new = {name: self._staging_url(name) for name in sorted(self._results)}
            self._staged = {**new, **self._staged}

    @property
    def hooks_once(self) -> Sequence[str]:
        """Implementations whose run-scoped hooks fire once in a run."""
        return self._hooks_once

    @property
    def staged(self) -> AbstractSet[str]:
        """In-memory datasets that cross from one worker to another."""
        return self._staged.keys()

    def of_group(
        self,
        group: Group,
        attempt: int = 1,
        reported: AbstractSet[str] = frozenset(),
        checks: Iterable[KedroCheck] = (),
    ) -> Invocation:
        """Return what the worker of a group is asked to run.

        Args:
            group: With the nodes that are left of it.
            attempt: Number of the attempt at the group, from 1.
            reported: Selected assets, by Kedro's names, that an earlier attempt has reported.
            checks: What it may report of them and of what it reads.
        """
        index = self._index
        nodes = [index.graph.nodes[name] for name in group.nodes]
        made = {name for node in nodes for name in outputs_of(node)}
        touched = [name for node in nodes for name in _datasets_of(node)]
        selected = self._selected - reported
        return self._invocation(
            group=group.name,
            kedro_run_id=self._run_id_of(attempt),
            nodes=group.nodes,
            **self._loading(group.nodes),
            **self._running(group),
            hooks_once=[] if self._are_left_to_the_worker else self._hooks_once,
            expected=[ExpectedNode.of(node) for node in nodes],
            load_versions=self._load_versions(touched, made),
            staged={name: self._staged[name] for name in touched if name in self._staged},
            staged_results=sorted(self._results.intersection(touched)),
            dataset_assets={
                name: index.key_of_dataset[name].to_escaped_user_string()
                for name in sorted(made & selected)
            },
            node_assets={
                node.name: index.key_of_node[node.name].to_escaped_user_string()
                for node in nodes
                if not node.outputs and node.name in selected
            },
            known_assets=self._known_assets(nodes),
            partitioned=sorted(made & index.partition_ids.keys()),
            **self._reporting(),
            checks=[check.for_worker() for check in checks],
            validated=sorted(self._validated.intersection(touched)),
        )

    def looking_for_outputs(self, plan: Plan) -> Invocation:
        """Return what reports which outputs of a plan's nodes exist."""
        return self._invocation(
            group="look for existing outputs",
            nodes=plan.nodes,
            **self._loading(plan.nodes),
            find_only=True,
        )

    def checking_stored(self, checks: Iterable[KedroCheck]) -> Invocation:
        """Return what checks what is stored, and runs no node."""
        return self._invocation(
            group="check what is stored",
            nodes=[],
            pipelines=[],
            checks=[check.for_worker() for check in checks],
            check_stored=True,
        )

    def leave_run_hooks_to_the_worker(self) -> None:
        """Let the worker of the one group fire what otherwise fires once, in another worker."""
        self._are_left_to_the_worker = True

    def firing(self, hook: str, nodes: list[str], about: RunBegins | RunEnds) -> Invocation:
        """Return what fires a run-scoped hook.

        Args:
            hook: Its name.
            nodes: All that the run runs, in whichever steps.
            about: What the hook is told of the run.
        """
        # Other steps may have ended since this one began.
        self._versions.update(self._others.versions())
        self._staged.update(self._others.staged())
        graph = self._index.graph
        touched = {name for each in nodes for name in _datasets_of(graph.nodes[each])}
        return self._invocation(
            group=hook,
            # One for the whole run, whichever try of a step it is.
            kedro_run_id=kedro_run_id(self._created, 0),
            nodes=nodes,
            **self._loading(nodes),
            run_hooks=about,
            load_versions=self._load_versions(sorted(touched), made=set()),
            staged={name: self._staged[name] for name in sorted(touched & self._staged.keys())},
        )

    def conducting(self, nodes: list[str]) -> Invocation:
        """Return what holds one session over all nodes of the run.

        Args:
            nodes: All that the run runs.
        """
        graph = self._index.graph
        touched = {name for each in nodes for name in _datasets_of(graph.nodes[each])}
        return self._invocation(
            group="conductor",
            nodes=nodes,
            **self._loading(nodes),
            conducts=True,
            load_versions=self._load_versions(sorted(touched), made=set()),
            staged={name: self._staged[name] for name in sorted(touched & self._staged.keys())},
            staged_results=sorted(self._results & touched),
        )

    @property
    def staging_folders(self) -> list[str]:
        """Folders of what the run has staged."""
        return sorted({url.rpartition("/")[0] for url in self._staged.values()})

    def removing_staged(self) -> Invocation | None:
        """Return what removes the run's staged data; None if there is none."""
        folders = self.staging_folders
        if not folders:
            return None
        return self._invocation(
            group="remove staged data", nodes=[], pipelines=[], remove_staged=folders
        )

    def ending_mlflow(self, run: MlflowRun, end: MlflowEnd) -> Invocation:
        """Return what ends the MLflow run that stands for this run."""
        return self._invocation(
            group="end the MLflow run", nodes=[], pipelines=[], mlflow=run, mlflow_end=end
        )

    def take_versions(self, versions: Mapping[str, str]) -> None:
        """Remember under which versions a group has saved its datasets."""
        self._versions.update(versions)

    def take_validated(self, datasets: Iterable[str]) -> None:
        """Remember which datasets a group has validated on saving, transcoding kept."""
        self._validated.update(datasets)

    def _known_assets(self, nodes: Iterable[Node]) -> dict[str, str]:
        index = self._index
        keys = {
            name: index.key_of_dataset[name]
            for node in nodes
            for name in (*inputs_of(node), *outputs_of(node))
        }
        keys.update((node.name, index.key_of_node[node.name]) for node in nodes if not node.outputs)
        return {name: key.to_escaped_user_string() for name, key in sorted(keys.items())}

    def _loading(self, nodes: Iterable[str]) -> dict[str, object]:
        """Say which registered pipelines a worker loads, and whether it has to load them all."""
        pipelines = self._index.pipelines_holding(nodes)
        return {
            "pipelines": [pipeline.name for pipeline in pipelines],
            "load_all": any(pipeline.loads_alone is False for pipeline in pipelines),
        }

    def _running(self, group: Group) -> dict[str, object]:
        settings = self._orchestration.settings_of_group(group.explicit)
        return {"runner": settings.runner, "is_async": settings.is_async}

    def _reporting(self) -> dict[str, object]:
        said = self._orchestration.reporting
        return {
            "describe": said.metadata,
            "previews": said.previews,
            "data_versions": said.data_versions,
        }

    def _run_id_of(self, attempt: int) -> str:
        return kedro_run_id(self._created, self._attempts_before + attempt - 1)

    def _invocation(self, **particulars: object) -> Invocation:
        manifest, project = self._index.manifest, self._index.project
        common: dict[str, object] = {
            "kedro_run_id": self.kedro_run_id,
            "dagster_run_id": self._dagster_run_id,
            "package_name": manifest.project.package_name,
            "conf_source": project.conf_source,
            "env": self._settings.env or project.env,
            "runtime_params": self._settings.parameters,
            "integer_keys": list(
                integer_keys(self._settings.parameters, parameter_tree(manifest.parameters))
            ),
            "staging_backend": self._orchestration.store.backend,
            "expected_kedro": manifest.project.kedro_version,
            "hooks_once": self._hooks_once,
            "hooks_per_process": self._hooks_per_process,
            "blocked_plugins": self._orchestration.blocked_plugins,
            "on_drift": self._orchestration.on_drift,
            **self._logging(),
        }
        return Invocation(**{**common, **particulars})  # type: ignore[arg-type]

    def _logging(self) -> dict[str, object]:
        """Say what is logged: as the run says, else `dagster.yml`, else as the project has it."""
        logs = self._orchestration.logs
        asked = self._settings.log_level or logs.level
        everywhere: dict[str, str] = {"root": asked} if asked else {}
        return {"log_level": asked or "INFO", "logger_levels": {**everywhere, **logs.levels}}

    def _load_versions(self, touched: Iterable[str], made: set[str]) -> dict[str, str]:
        """Pin what others have saved: unpinned, Kedro loads the latest, which may be anyone's."""
        pinned = {
            name: self._versions[stripped]
            for name in touched
            if (stripped := strip_transcoding(name)) in self._versions and stripped not in made
        }
        return {**pinned, **self._settings.load_versions}

    def _staging_url(self, dataset: str) -> str:
        folder = self._orchestration.store.url.rstrip("/")
        return f"{folder}/{self.kedro_run_id}/{_file_name(dataset)}.pickle"


def _datasets_of(node: Node) -> list[str]:
    """Return what a node loads and saves, transcoding kept."""
    return [*node.inputs, *node.outputs]


def _staged(plan: Plan, index: AssetIndex, others: OtherSteps) -> list[str]:
    """Return the in-memory datasets that cross to another group, be it of another step."""
    policy = orchestration_of(index.manifest).group_policy()
    elsewhere = others.wanted(plan) if others.has_any else set()
    crossing = (name for name in elsewhere if index.graph.is_memory(name))
    may_cross = (name for name in crossing if is_staged(index.graph, policy, name))
    return sorted({*plan.staged, *may_cross})


def _results_in_memory(plan: Plan, index: AssetIndex) -> set[str]:
    """Return what no node reads: a hook may, in another process, once the run has ended."""
    graph = index.graph
    read = {name for node in graph.nodes.values() for name in inputs_of(node)}
    made = {name for node in plan.nodes for name in outputs_of(graph.nodes[node])}
    return {name for name in made - read if graph.is_memory(name)}


def _file_name(dataset: str) -> str:
    """Return a name for a file that no other dataset has, and that no file system refuses."""
    name = quote(dataset, safe="")
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[:_LONGEST_NAME]}-{hashlib.sha256(dataset.encode()).hexdigest()[:16]}"


def kedro_run_id(created: datetime, attempts_before: int) -> str:
    """Return the Kedro run id of an attempt at a group, in Kedro's timestamp format.

    It is the time at which Dagster created the run, so all steps share it, and a millisecond
    more for each attempt that there may have been before, in this try of the step or an earlier
    one: no attempt meets a version that is written already.
    """
    moment = created.astimezone(timezone.utc) + timedelta(milliseconds=attempts_before)
    return f"{moment:%Y-%m-%dT%H.%M.%S}.{moment.microsecond // 1000:03d}Z"


def _creation_of_run(context: dg.AssetExecutionContext) -> datetime:
    record = context.instance.get_run_record_by_id(context.run_id)
    return record.create_timestamp if record else datetime.now(tz=timezone.utc)
