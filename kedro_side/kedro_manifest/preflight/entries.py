"""An entry of `dagster.yml` that is refused, as a finding. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kedro_manifest.errors import OrchestrationError
from kedro_manifest.findings import Finding

ORCHESTRATION_FILE = "dagster.yml"


def entry_finding(error: OrchestrationError, code: str = "dagster-yml") -> Finding:
    """Return what is wrong with an entry as a finding, which says place and cure for itself."""
    problem = f"{error.problem[:1].upper()}{error.problem[1:]}."
    return Finding(
        severity="error",
        code=code,
        place=f"{ORCHESTRATION_FILE}: {error.place}" if error.place else ORCHESTRATION_FILE,
        message=problem if error.problem else str(error),
        cure=error.hint or "Mend the entry.",
    )


def refused(check: Callable[[], object], code: str = "dagster-yml") -> Iterator[Finding]:
    """Yield what a check refuses; it stops at the first."""
    try:
        check()
    except OrchestrationError as error:
        yield entry_finding(error, code)
