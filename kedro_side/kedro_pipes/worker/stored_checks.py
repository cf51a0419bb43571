"""Check what is stored, without running a node: for a check that is executed by itself.

Kedro's own validation on demand judges what validators are for. Knows a catalog and the checks, not
how it was opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from kedro_manifest.invocation import DatasetCheck

from kedro_pipes.project.catalogs import get_dataset
from kedro_pipes.worker.checks import judge_length
from kedro_pipes.worker.lengths import length_of
from kedro_pipes.worker.metadata_values import PipesMetadata, value
from kedro_pipes.worker.statements import CheckResult
from kedro_pipes.worker.validation import describe_failure


def check_stored(
    catalog: Any, checks: Iterable[DatasetCheck]
) -> Iterator[tuple[DatasetCheck, CheckResult]]:
    """Yield the result of each check; every dataset is loaded once."""
    by_dataset: dict[str, list[DatasetCheck]] = {}
    for check in checks:
        by_dataset.setdefault(check.dataset, []).append(check)
    for dataset, of_dataset in by_dataset.items():
        try:
            data = get_dataset(catalog, dataset).load()
        except Exception as error:  # noqa: BLE001 - a dataset may raise anything
            reason = f"Cannot be told: it cannot be loaded. {type(error).__name__}: {error}"
            for check in of_dataset:
                yield check, _failed(check, {"kedro/reason": value("text", reason)})
            continue
        for check in of_dataset:
            if check.kind == "not_empty":
                yield check, judge_length(check, length_of(data))
            else:
                yield check, _validate(catalog, check, data)


def _validate(catalog: Any, check: DatasetCheck, data: Any) -> CheckResult:
    # Kedro, too, imports it only where a dataset has a validator.
    from kedro.validation import validate_dataset  # noqa: PLC0415

    mode = "save" if check.on_save else "load"
    found = validate_dataset(catalog, check.dataset, data, on=mode)
    if found.status == "passed":
        return CheckResult(name=check.name, passed=True, severity=check.severity, metadata={})
    reason = found.message or f"Cannot be told: {found.reason}."
    return _failed(check, describe_failure(reason, found.failures))


def _failed(check: DatasetCheck, metadata: PipesMetadata) -> CheckResult:
    return CheckResult(name=check.name, passed=False, severity=check.severity, metadata=metadata)
