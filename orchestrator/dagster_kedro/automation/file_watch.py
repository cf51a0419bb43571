"""One look of a file sensor: which files are new, which runs they ask for, what to remember.

The cursor holds six bytes for each state of each file that has been dealt with: of all that are
there, and of the last ones that are gone, so that a folder which cannot be seen for a moment
launches nothing when it is back. A file that has not been dealt with is not in it, and so is found
again by the next look.
"""

from __future__ import annotations

import hashlib
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from posixpath import splitext
from typing import Any

import dagster as dg
import msgspec
from kedro_manifest.orchestration.automation import FileSensor
from kedro_manifest.orchestration.partitions import DynamicPartitions
from kedro_manifest.orchestration.root import Orchestration
from kedro_manifest.settings.free_inputs import placed_input
from kedro_manifest.settings.sensors import parameter_path, runs_for_each_file

from dagster_kedro.assets.index import AssetIndex
from dagster_kedro.automation.storage import Place, StoredFile
from dagster_kedro.configuration.run_configuration import merged, run_config
from dagster_kedro.errors import StorageError

FILE_TAG = "kedro/file"
FILES_TAG = "kedro/files"

REMEMBERED_GONE = 10_000
"""States of files that are not there any more."""
_FORMAT = "1:"
_STATE_BYTES = 6
_STATE_CHARACTERS = 8


class _Batch(msgspec.Struct, frozen=True):
    """Files that one run is for."""

    files: list[StoredFile]
    partition: str | None = None


class FileWatch:
    """What a file sensor looks at, and what it launches.

    Args:
        name: Of the sensor in `dagster.yml`.
        sensor: What it says there.
        index: Of the project's assets.
        orchestration: The project's `dagster.yml`.
        job: The job that is launched.

    Raises:
        OrchestrationError: It names a dataset, parameter or partition that is not there.
    """

    def __init__(
        self,
        name: str,
        sensor: FileSensor,
        index: AssetIndex,
        orchestration: Orchestration,
        job: Any,
    ) -> None:
        place = f"sensors.{name}"
        self._place_in_file = place
        self._sensor = sensor
        self._index = index
        self._job_config = job.config if isinstance(job.config, Mapping) else {}
        self._by_file = runs_for_each_file(sensor)
        self._parameter: list[str] = []
        if sensor.parameter is not None:
            self._parameter = parameter_path(f"{place}.parameter", sensor.parameter, index.graph)
        self._partitions: dg.DynamicPartitionsDefinition | None = None
        if sensor.partition is not None:
            entry = orchestration.partitions[sensor.partition]
            listed = entry.name if isinstance(entry, DynamicPartitions) else None
            self._partitions = dg.DynamicPartitionsDefinition(name=listed or sensor.partition)
        self._place = Place(
            sensor.uri or self._uri_of_dataset(),
            folder=index.project.project_dir,
            options=sensor.storage_options,
            options_place=f"{place}.storage_options",
        )

    def look(self, cursor: str | None) -> dg.SensorResult:
        """Return the runs for what is new since an earlier look, and the cursor for the next one.

        Raises:
            StorageError: The storage cannot be reached: the tick fails, and its cursor is kept.
        """
        seen = self._read(cursor)
        files = self._place.find()
        states = {file.url: _state(file) for file in files}
        known = set(seen)
        new = [file for file in files if states[file.url] not in known]
        ready = [file for file in new if self._is_old_enough(file)]
        batches = list(self._batches(ready))[: self._sensor.max_runs_per_tick]
        dealt_with = {states[file.url] for batch in batches for file in batch.files}
        there = [state for state in states.values() if state in known or state in dealt_with]
        remembered = _write(_forget(seen, there))
        if not batches:
            return dg.SensorResult(skip_reason=self._nothing(files, new), cursor=remembered)
        return dg.SensorResult(
            run_requests=[self._request(batch) for batch in batches],
            dynamic_partitions_requests=self._added_partitions(batches),
            cursor=remembered,
        )

    def _uri_of_dataset(self) -> str:
        place, name = f"{self._place_in_file}.dataset", self._sensor.dataset or ""
        return placed_input(place, name, self._index.graph).uri or ""

    def _is_old_enough(self, file: StoredFile) -> bool:
        if self._sensor.min_age_s <= 0:
            return True
        if file.modified_s is None:
            raise StorageError(
                f"Cannot tell the age of '{file.url}': the storage does not say when it was "
                f"written. Take dagster.yml: {self._place_in_file}.min_age_s out."
            )
        return time.time() - file.modified_s >= self._sensor.min_age_s

    def _batches(self, files: list[StoredFile]) -> Iterator[_Batch]:
        if not files:
            return
        if self._partitions is not None:
            by_key: dict[str, list[StoredFile]] = {}
            for file in files:
                by_key.setdefault(splitext(file.name)[0], []).append(file)
            yield from (_Batch(of_key, key) for key, of_key in by_key.items())
        elif self._by_file:
            yield from (_Batch([file]) for file in files)
        else:
            yield _Batch(files)

    def _request(self, batch: _Batch) -> dg.RunRequest:
        first, *others = batch.files
        files = {FILES_TAG: str(len(batch.files))} if others else {FILE_TAG: first.url}
        return dg.RunRequest(
            run_key=_run_key(batch.files),
            run_config=self._run_config(first),
            tags={**self._sensor.tags, **files},
            partition_key=batch.partition,
        )

    def _run_config(self, file: StoredFile) -> dict[str, Any]:
        """What a run request says replaces what the job says, so that must be in it as well."""
        if not self._parameter:
            return {}
        value: Any = file.url
        for key in reversed(self._parameter):
            value = {key: value}
        return merged(self._job_config, run_config(self._index, {"parameters": value}))

    def _added_partitions(self, batches: Iterable[_Batch]) -> list[Any]:
        if self._partitions is None:
            return []
        keys = [batch.partition for batch in batches if batch.partition is not None]
        return [self._partitions.build_add_request(keys)]

    def _nothing(self, files: Sequence[StoredFile], new: Sequence[StoredFile]) -> str:
        if new:
            return (
                f"{len(new)} new at '{self._place.url}', younger than {self._sensor.min_age_s:g} s."
            )
        if files:
            return f"Nothing new at '{self._place.url}': {len(files)} known."
        return f"There is nothing at '{self._place.url}'."

    def _read(self, cursor: str | None) -> list[str]:
        """Return the states that have been dealt with, the oldest of those that are gone first."""
        if not cursor:
            return []
        text = cursor.removeprefix(_FORMAT)
        if text == cursor or len(text) % _STATE_CHARACTERS:
            raise StorageError(
                f"Cannot read the cursor of dagster.yml: {self._place_in_file}: it was not written "
                "by this sensor. Reset it in Dagster's web interface; every file is then new."
            )
        ends = range(_STATE_CHARACTERS, len(text) + 1, _STATE_CHARACTERS)
        return [text[end - _STATE_CHARACTERS : end] for end in ends]


def _state(file: StoredFile) -> str:
    digest = hashlib.blake2b(file.state.encode(), digest_size=_STATE_BYTES).digest()
    return urlsafe_b64encode(digest).decode()


def _forget(seen: list[str], there: list[str]) -> list[str]:
    """Keep what is there, and before it the last ones that are gone."""
    present = set(there)
    gone = [state for state in seen if state not in present]
    return [*gone[-REMEMBERED_GONE:], *there]


def _write(states: list[str]) -> str:
    return _FORMAT + "".join(states)


def _run_key(files: Iterable[StoredFile]) -> str:
    """Return what lets Dagster itself refuse to launch twice, whatever becomes of the cursor."""
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        digest.update(f"{file.state}\n".encode())
    return digest.hexdigest()
