"""The Pipes context that a node finds through `PipesContext.get()`: it never fails the node.

Metadata of any kind is taken, and what a node says of its own asset is kept until the asset is
saved: a materialization that was reported before would be false if saving failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from dagster_pipes import PipesContext

from kedro_pipes.worker.metadata_values import PipesMetadata, said_of_changed, values_of


class NoticeCheck(Protocol):
    """Takes a check: escaped key of its asset, name, severity, result."""

    def __call__(self, asset_key: str, name: str, severity: str, *, passed: bool) -> None:
        """Take it."""


def _pass_over(asset_key: str, name: str, severity: str, *, passed: bool) -> None:
    """Do nothing."""


class WorkerPipesContext(PipesContext):
    """A Pipes context for the worker and for the nodes that it runs."""

    _kept: dict[str, tuple[PipesMetadata, str | None]]
    notice_check: NoticeCheck
    """Is told of each check that a node reports through this context."""

    def __init__(self, *arguments: Any) -> None:
        self.notice_check = _pass_over
        self._kept = {}
        super().__init__(*arguments)

    def report_asset_materialization(
        self,
        metadata: Mapping[str, Any] | None = None,
        data_version: str | None = None,
        asset_key: str | None = None,
    ) -> None:
        """Keep what a node says of one of its assets until the asset is saved."""
        known = set(self.asset_keys)
        key = next(iter(known)) if asset_key is None and len(known) == 1 else asset_key
        if key not in known:  # the stock method says what is wrong
            super().report_asset_materialization({}, data_version, asset_key)
        else:
            version = None if data_version is None else str(data_version)
            self._kept[str(key)] = (self._clean(metadata or {}), version)

    def report_asset_check(
        self,
        check_name: str,
        passed: bool,  # noqa: FBT001 - the stock signature
        severity: Any = "ERROR",
        metadata: Mapping[str, Any] | None = None,
        asset_key: str | None = None,
    ) -> None:
        """Report a check at once, whatever its metadata is."""
        # NumPy's booleans are no `bool`, which the stock method insists on.
        super().report_asset_check(
            check_name, bool(passed), severity, self._clean(metadata or {}), asset_key
        )
        known = set(self.asset_keys)
        key = next(iter(known)) if asset_key is None else asset_key
        self.notice_check(key, check_name, severity, passed=bool(passed))

    def report_check(
        self, asset_key: str, name: str, severity: str, metadata: PipesMetadata, *, passed: bool
    ) -> None:
        """Report a check of an asset that this worker need not be there for."""
        params = {"check_name": name, "passed": passed, "metadata": metadata, "severity": severity}
        self._write_message("report_asset_check", {"asset_key": asset_key, **params})

    def report_saved(
        self, asset_key: str, metadata: PipesMetadata, data_version: str | None = None
    ) -> None:
        """Report an asset that has been saved, with what its node said of it."""
        theirs, their_version = self._kept.pop(asset_key, ({}, None))
        super().report_asset_materialization(
            {**metadata, **theirs}, their_version or data_version, asset_key
        )

    def _clean(self, metadata: Mapping[str, Any]) -> PipesMetadata:
        values, changed = values_of(metadata)
        if changed:
            self.log.warning(said_of_changed(changed))
        return values
