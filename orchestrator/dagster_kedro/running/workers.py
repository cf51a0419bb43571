"""The workers of one run: through which client each is started, and with which settings.

Puts what `dagster.yml` says of a group together with what the run says. Knows no assets, and
not what a worker is asked to do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable

import dagster as dg
import msgspec
from kedro_manifest.errors import GroupCycleError, OrchestrationError
from kedro_manifest.orchestration.retrying import Retries
from kedro_manifest.orchestration.root import Orchestration
from kedro_manifest.planning.graph import PipelineGraph
from kedro_manifest.planning.grouping import GroupPolicy, unknown_datasets
from kedro_manifest.planning.plan import Group, plan_groups
from kedro_manifest.settings.workers import WorkerRules, WorkerSettings

from dagster_kedro.clients.base import KedroClient, Starter, WorkerLaunch, WorkerOverrides
from dagster_kedro.clients.directory import ClientDirectory, make_client
from dagster_kedro.configuration.settings import RunSettings
from dagster_kedro.errors import GroupFailedError
from dagster_kedro.results.group_results import GroupResults, Outcome
from dagster_kedro.running.conducting import StepConductor
from dagster_kedro.running.worker_session import run_worker


class ConductedGroups(msgspec.Struct, frozen=True, kw_only=True):
    """Groups whose workers one conductor may start."""

    client: KedroClient
    names: set[str]
    is_wanted: bool
    """Whether that is asked for, or left to be done where it saves time."""


class Workers:
    """Starts the workers of one run.

    Args:
        orchestration: What `dagster.yml` says of clients and groups.
        graph: The project's nodes.
        own: The resource's client, for what `dagster.yml` says nothing of.
        settings: What the run says.

    Raises:
        OrchestrationError: A client is named that is not there.
    """

    def __init__(
        self,
        orchestration: Orchestration,
        graph: PipelineGraph,
        own: KedroClient,
        settings: RunSettings,
    ) -> None:
        self._run = settings
        printed = orchestration.logs.output
        self._output_level = None if printed == "none" else printed
        self._rules = WorkerRules(orchestration, graph, settings.client_name)
        self._clients = ClientDirectory(orchestration.clients, own)
        self._by_group: dict[str, WorkerSettings] = {}
        self._conductor: StepConductor | None = None
        self._conducted: set[str] = set()

    def prepare(self, groups: Iterable[Group]) -> None:
        """Find out how some groups will be run, and refuse before anything starts.

        Raises:
            OrchestrationError: Nobody can say which client runs a group, the client cannot be
                made, or it has no use for a setting.
        """
        for group in groups:
            settings = self._by_group[group.name] = self._rules.of_group(group)
            client = self._clients.get(settings.client)
            refuse_unused(client, self._overrides(settings), f"group '{group.name}'")

    def retries_of(self, group: Group) -> Retries:
        """Return how often a group is tried again."""
        return self._by_group[group.name].retries

    def chosen_for_conductor(self, groups: Iterable[Group]) -> ConductedGroups | None:
        """Return which of some groups a conductor would start; None where none is asked for.

        One run has one session, so that groups of one client only are conducted: of that which
        runs most of them. A group with variables of its own needs a process of its own.
        """
        by_client: dict[str | None, set[str]] = {}
        for group in groups:
            settings = self._by_group[group.name]
            client = self._clients.get(settings.client)
            if client.how_to_start() != "cold" and not overrides_of(settings).given():
                by_client.setdefault(settings.client, set()).add(group.name)
        if not by_client:
            return None
        name = max(by_client, key=lambda each: len(by_client[each]))
        client = self._clients.get(name)
        is_wanted = client.how_to_start() == "warm"
        return ConductedGroups(client=client, names=by_client[name], is_wanted=is_wanted)

    def why_cold(self, groups: Iterable[Group]) -> list[str]:
        """Return what keeps clients of some groups from forking workers, though they are to."""
        names = {self._by_group[group.name].client for group in groups}
        reasons = [self._clients.get(name).why_cold() for name in names]
        return sorted({reason for reason in reasons if reason is not None})

    def conduct(
        self,
        context: dg.AssetExecutionContext,
        chosen: ConductedGroups,
        make_launch: Callable[[], WorkerLaunch],
        tell: Callable[[Outcome], object],
        *,
        has_hooks: bool,
    ) -> StepConductor:
        """Have a conductor start the workers of some groups.

        Args:
            context: The step's.
            chosen: The groups.
            make_launch: Returns what a conductor is asked to do.
            tell: Tells what it reports.
            has_hooks: Whether anybody implements hooks that are once in a run.
        """
        overrides = self._run.overrides.only(chosen.client.overridable())
        self._conducted = chosen.names
        self._conductor = StepConductor(
            context,
            chosen.client,
            lambda: msgspec.structs.replace(make_launch(), overrides=overrides),
            tell,
            has_hooks=has_hooks,
            timeout_s=self._run.timeout_s or self._longest_timeout_s(chosen.names),
            output_level=self._output_level,
        )
        return self._conductor

    def run_group(
        self,
        group: Group,
        launch: WorkerLaunch,
        results: GroupResults,
        emit: Callable[[Outcome], None],
        stop: threading.Event,
    ) -> None:
        """Run the worker of a group (see `run_worker`)."""
        settings = self._by_group[group.name]
        client = self._clients.get(settings.client)
        timeout_s = self._run.timeout_s or settings.timeout_s
        launch = msgspec.structs.replace(
            launch, overrides=self._overrides(settings), timeout_s=timeout_s
        )
        level = self._output_level
        starter: Starter = client
        if self._conductor is not None and group.name in self._conducted:
            starter = self._conductor.starter(stop)
        run_worker(starter, launch, results, emit, stop, timeout_s=timeout_s, output_level=level)

    def run_besides(
        self,
        launch: WorkerLaunch,
        results: GroupResults,
        emit: Callable[[Outcome], object] = lambda _: None,
        *,
        timeout_s: float | None = None,
    ) -> None:
        """Run a worker that belongs to no group, to its end; what it reports is in the results.

        Args:
            launch: What to run.
            results: Takes what it reports.
            emit: Takes each outcome.
            timeout_s: Seconds that it has; None for as many as the run gives each worker.
        """
        client = self._clients.get(self._rules.client_besides)
        # It runs no node, so that it need not be like the workers that do.
        overrides = self._run.overrides.only(client.overridable())
        launch = msgspec.structs.replace(launch, overrides=overrides)
        stop = threading.Event()
        timeout_s = timeout_s or self._run.timeout_s
        level = self._output_level
        run_worker(client, launch, results, emit, stop, timeout_s=timeout_s, output_level=level)

    def outcomes_besides(
        self, launch: WorkerLaunch, results: GroupResults
    ) -> Generator[Outcome, None, None]:
        """Run such a worker, and yield what it has reported, also where it has failed.

        Raises:
            GroupFailedError: It did not do what it was asked to.
        """
        reported: list[Outcome] = []
        failure: GroupFailedError | None = None
        try:
            self.run_besides(launch, results, reported.append)
        except GroupFailedError as error:
            failure = error
        yield from reported
        if failure is not None:
            raise failure

    def close(self) -> None:
        """End the conductor, if it still runs, and take down the clients."""
        if self._conductor is not None:
            self._conductor.close()
        self._clients.close()

    def _longest_timeout_s(self, names: Iterable[str]) -> float | None:
        """Return the seconds within which each of some groups has ended, if all are limited."""
        limits = [self._by_group[name].timeout_s for name in names]
        return None if None in limits else max(limit for limit in limits if limit is not None)

    def _overrides(self, settings: WorkerSettings) -> WorkerOverrides:
        """Return what goes before the client's own settings: the run's before the group's."""
        of_run, of_group = self._run.overrides, overrides_of(settings)
        return WorkerOverrides(
            python=of_run.python,
            env={**of_group.env, **of_run.env},
            image=of_run.image or of_group.image,
            resources={**of_group.resources, **of_run.resources},
            pod={**of_group.pod, **of_run.pod},
        )


def overrides_of(settings: WorkerSettings) -> WorkerOverrides:
    """Return what a group says over its client's own settings."""
    resources = msgspec.to_builtins(settings.resources)
    given = {name: value for name, value in resources.items() if value is not None}
    pod = {name: part for name, part in msgspec.to_builtins(settings.pod).items() if part}
    return WorkerOverrides(env=settings.env, image=settings.image, resources=given, pod=pod)


def refuse_unused(client: KedroClient, overrides: WorkerOverrides, whose: str) -> None:
    """Refuse settings that a client has no use for: they would be lost without a word.

    Raises:
        OrchestrationError: There are some.
    """
    unused = [f"`{name}`" for name in overrides.given() if name not in client.overridable()]
    if unused:
        taken = ", ".join(f"`{name}`" for name in sorted(client.overridable())) or "nothing"
        raise OrchestrationError(
            f"Cannot run {whose} with {', '.join(unused)}: its client, a {type(client).__name__}, "
            f"has no use for that; it takes {taken}. Leave it out, or choose another client."
        )


def check_workers(
    orchestration: Orchestration, graph: PipelineGraph, nodes: Iterable[str], policy: GroupPolicy
) -> None:
    """Refuse at definition time what would fail in every run.

    Raises:
        OrchestrationError: A client cannot be made, nobody can say which runs a group, or it has
            no use for the group's variables.
        UnknownNameError: A client is for a node, tag, … that is not there.
    """
    pool = orchestration.concurrency.pool
    if pool is not None and pool.split() != [pool]:
        raise OrchestrationError.at(
            "concurrency.pool", f"Dagster takes no pool '{pool}'", "Write a name without spaces."
        )
    for name in unknown_datasets(graph, policy):
        place = f"memory_datasets.{name}"
        raise OrchestrationError.unknown(place, "dataset", name, graph.datasets)
    made = {name: make_client(name, entry) for name, entry in orchestration.clients.items()}
    rules = WorkerRules(orchestration, graph)
    if not (made or orchestration.groups):
        return  # Nothing is said of any group, so that there is no need to plan them.
    try:
        groups = plan_groups(graph, nodes, policy).groups
    except GroupCycleError:
        return  # A run of a part may be well; one of it all will say what is wrong.
    for group in groups:
        settings = rules.of_group(group)
        if settings.client is not None:
            refuse_unused(made[settings.client], overrides_of(settings), f"group '{group.name}'")
