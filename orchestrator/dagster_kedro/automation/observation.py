"""Observing free inputs: what tells Dagster that something outside has changed.

Definition time, and the step that looks. Annotations are not postponed here, since Dagster reads
those of the function that it runs.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import dagster as dg
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.findings import count
from kedro_manifest.model import Dataset
from kedro_manifest.orchestration.automation import Observation
from kedro_manifest.settings.free_inputs import choose_observed

from dagster_kedro.assets.index import AssetIndex
from dagster_kedro.automation.storage import (
    Place,
    StoredFile,
    VersionBy,
    is_supported,
    latest_version,
)
from dagster_kedro.errors import StorageError

JOB = "observe_inputs"
_LOOKS_AT_A_TIME = 8


class InputObservation:
    """The free inputs of one project that are observed, and what observes them.

    Args:
        index: Of the project's assets.
        observation: What `dagster.yml` says of it.
        specs: Of the free inputs that are defined.
        part: Words that tell a part of the project from others; none for the whole. Two parts
            may share an input, which Dagster lets only one of them observe. So a part observes
            what `dagster.yml` names, and nothing by default.

    Raises:
        OrchestrationError: An input is named that cannot be observed.
    """

    def __init__(
        self,
        index: AssetIndex,
        observation: Observation,
        specs: Iterable[dg.AssetSpec],
        part: Sequence[str] = (),
    ) -> None:
        self._index = index
        self._part = part
        self._observation = observation
        self._specs = {spec.key: spec for spec in specs}
        self._inputs: dict[dg.AssetKey, _Input] = {}
        if part and observation.datasets is None:
            return
        for name, dataset in choose_observed(observation, index.graph).items():
            key = index.key_of_dataset[name]
            if key in self._specs and self._is_supported(name, dataset):
                self._inputs[key] = _Input(index, name, dataset, observation)

    def assets(self) -> list[dg.AssetsDefinition | dg.AssetSpec]:
        """Return one definition that observes any selection of inputs, and specs of all others."""
        external = [spec for key, spec in self._specs.items() if key not in self._inputs]
        if not self._inputs:
            return [*external]
        inputs = self._inputs

        def observe_free_inputs(context: dg.AssetExecutionContext) -> Iterator[dg.ObserveResult]:
            chosen = {key: inputs[key] for key in sorted(context.selected_asset_keys)}
            yield from _observe(context, chosen)

        name = self._index.name_for(
            self._index.manifest.project.package_name, *self._part, "inputs"
        )
        specs = [self._specs[key] for key in inputs]
        with warnings.catch_warnings():
            # Marked as beta in Dagster: nothing that a user of ours could act on.
            warnings.filterwarnings("ignore", r"Function `multi_observable_source_asset`")
            observable = dg.multi_observable_source_asset(name=name, specs=specs, can_subset=True)
        return [observable(observe_free_inputs), *external]

    @cached_property
    def jobs(self) -> list[Any]:
        """The job that observes all of them; none without inputs."""
        if not self._inputs:
            return []
        return [
            dg.define_asset_job(
                self._index.name_for(*self._part, JOB),
                # Looking at files takes no worker, checking their content does.
                selection=dg.AssetSelection.assets(*self._inputs).without_checks(),
                description=f"Look at {count(len(self._inputs), 'free input')}, and report what "
                "version each has.",
            )
        ]

    def schedules(self) -> list[dg.ScheduleDefinition]:
        """Return the schedule of the job, if `dagster.yml` gives one.

        Raises:
            OrchestrationError: The cron expression or the timezone is wrong.
        """
        cron = self._observation.cron_schedule
        if cron is None or not self.jobs:
            return []
        try:
            schedule = dg.ScheduleDefinition(
                job=self.jobs[0],
                cron_schedule=cron,
                execution_timezone=self._observation.execution_timezone,
                default_status=dg.DefaultScheduleStatus[self._observation.default_status.upper()],
            )
        except dg.DagsterInvalidDefinitionError as error:
            raise OrchestrationError.at(
                "observation.cron_schedule",
                f"Dagster does not accept it: {error}",
                "A cron expression has five fields, such as `*/15 * * * *`.",
            ) from error
        return [schedule]

    def _is_supported(self, name: str, dataset: Dataset) -> bool:
        """Leave out what this environment cannot look at, unless somebody asked for it."""
        url = dataset.uri or ""
        if is_supported(url):
            return True
        if self._observation.datasets is None:
            return False
        raise OrchestrationError.at(
            "observation.datasets",
            f"'{name}' is at '{url}', for which no library is installed beside Dagster",
            f"Install the one that fsspec wants for {dataset.protocol}, or leave the input out.",
        )


class _Input:
    """One free input, and how to look at it."""

    def __init__(
        self, index: AssetIndex, name: str, dataset: Dataset, observation: Observation
    ) -> None:
        self.name = name
        self._versioned = dataset.versioned
        self._version_by: VersionBy = observation.version_by
        self.place = Place(
            dataset.uri or "",
            folder=index.project.project_dir,
            options=observation.storage_options,
            options_place="observation.storage_options",
        )

    def look(self) -> tuple[list[StoredFile], str]:
        """Return the files that a node would load now, and their version."""
        files = self.place.find()
        if self._versioned:
            files = latest_version(files)
        return files, self.place.version(files, self._version_by)


def _observe(
    context: dg.AssetExecutionContext, inputs: Mapping[dg.AssetKey, _Input]
) -> Iterator[dg.ObserveResult]:
    """Yield a result for each input that is there; fail at the end if one cannot be looked at."""
    failed: list[str] = []
    with ThreadPoolExecutor(_LOOKS_AT_A_TIME) as threads:
        looks = {key: threads.submit(each.look) for key, each in inputs.items()}
        for key, look in looks.items():
            try:
                files, version = look.result()
            except StorageError as error:
                failed.append(f"Input '{inputs[key].name}' was not observed: {error}")
                continue
            if files:
                yield _result(key, inputs[key], files, version)
            else:
                url = inputs[key].place.url
                context.log.warning(f"Input '{inputs[key].name}' is not there: nothing at '{url}'.")
    if failed:
        raise StorageError("\n".join(failed))


def _result(
    key: dg.AssetKey, observed: _Input, files: list[StoredFile], version: str
) -> dg.ObserveResult:
    metadata: dict[str, Any] = {"dagster/uri": observed.place.url, "kedro/files": len(files)}
    sizes = [file.size for file in files if file.size is not None]
    if len(sizes) == len(files):
        metadata["kedro/size_bytes"] = sum(sizes)
    times = [file.modified_s for file in files if file.modified_s is not None]
    if times:
        metadata["kedro/modified"] = dg.MetadataValue.timestamp(max(times))
    return dg.ObserveResult(asset_key=key, data_version=dg.DataVersion(version), metadata=metadata)
