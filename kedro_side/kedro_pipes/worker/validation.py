"""What Kedro's own validation of datasets comes to, seen where Kedro calls it.

Nothing is validated for us: each validator of the catalog is called as often as without a watch.
Knows validators, not what is reported of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from kedro_pipes.worker.metadata_values import PipesMetadata, value

Outcome = Exception | None
"""What a validator has raised; None if it was content."""

_MOST_TEXT = 2000
_MISCONFIGURED = "ValidationConfigurationError"


class ValidationWatch:
    """Remembers what the validators of a catalog have said, until it is taken."""

    def __init__(self) -> None:
        self._outcomes: dict[str, list[Outcome]] = {}
        self._lock = threading.Lock()

    def watch(self, catalog: Any, validated: Iterable[str]) -> None:
        """Watch a catalog's validators.

        Args:
            catalog: Before any of its datasets is loaded or saved.
            validated: Datasets that another worker has validated on saving, which a validator may
                be told to be content with (`skip_load_after_save`).
        """
        # Kedro keeps validators here from their first use on. Before 1.6, and in a catalog of
        # another kind, there are none.
        if isinstance(getattr(catalog, "_validators", None), dict):
            catalog._validators = _Validators(self._note)  # noqa: SLF001
            catalog._save_validated.update(validated)  # noqa: SLF001

    def take(self, dataset: str) -> list[Outcome]:
        """Return what has been said of a dataset since this was last asked, in order."""
        with self._lock:
            return self._outcomes.pop(dataset, [])

    def take_failures(self) -> dict[str, Exception]:
        """Return the first thing wrong with each dataset that nobody has asked about."""
        with self._lock:
            left, self._outcomes = self._outcomes, {}
        found = {name: first_failure(outcomes) for name, outcomes in left.items()}
        return {name: failure for name, failure in found.items() if failure is not None}

    def _note(self, dataset: str, outcome: Outcome) -> None:
        with self._lock:
            self._outcomes.setdefault(dataset, []).append(outcome)


class _Validators(dict[str, Any]):
    """Kedro's cache of validators by dataset: what is put in comes out with a watch on it."""

    def __init__(self, note: Callable[[str, Outcome], None]) -> None:
        super().__init__()
        self._note = note

    def __setitem__(self, dataset: str, validator: Any) -> None:
        super().__setitem__(dataset, _Watched(dataset, validator, self._note))

    def setdefault(self, dataset: str, validator: Any = None, /) -> Any:
        return super().setdefault(dataset, _Watched(dataset, validator, self._note))


class _Watched:
    def __init__(self, dataset: str, validator: Any, note: Callable[[str, Outcome], None]) -> None:
        self._dataset = dataset
        self._validator = validator
        self._note = note

    def validate(self, data: Any) -> Any:
        """Validate as the validator does, and say what came of it."""
        try:
            validated = self._validator.validate(data)
        except Exception as error:
            self._note(self._dataset, error)
            raise
        self._note(self._dataset, None)
        return validated


def first_failure(outcomes: Iterable[Outcome]) -> Exception | None:
    """Return the first thing that was wrong; None if nothing was."""
    return next((outcome for outcome in outcomes if outcome is not None), None)


def is_misconfigured(error: BaseException) -> bool:
    """Tell whether Kedro could not make a validator."""
    return any(each.__name__ == _MISCONFIGURED for each in type(error).__mro__)


def describe_validation(failure: Exception | None) -> PipesMetadata:
    """Return metadata of what is wrong with a dataset, if anything is."""
    if failure is None:
        return {}
    # Of a `DataValidationError`, which validators on a schema raise.
    return describe_failure(_reason(failure), getattr(failure, "failures", ()))


def describe_failure(reason: str, failures: Iterable[Any]) -> PipesMetadata:
    """Return metadata of a reason, and of each check of a schema that failed."""
    described = {"kedro/reason": value("text", reason[:_MOST_TEXT])}
    if records := [_record(each) for each in failures]:
        described["kedro/failures"] = value("table", {"records": records, "schema": None})
    return described


def _reason(failure: Exception) -> str:
    text = str(failure)
    named = hasattr(failure, "failures") or is_misconfigured(failure)
    return text if named else f"{type(failure).__qualname__}: {text}"


def _record(failure: Any) -> dict[str, Any]:
    examples = ", ".join(map(str, failure.failure_examples))
    return {
        "column": str(failure.column or ""),
        "check": str(failure.check or failure.message)[:_MOST_TEXT],
        "cases": int(failure.failure_count),
        "examples": examples[:_MOST_TEXT],
    }
