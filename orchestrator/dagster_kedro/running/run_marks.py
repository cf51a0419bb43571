"""What the steps of a run agree on: which of them does something that is to be done once.

They may be processes anywhere, and all that they share is Dagster's event log. It has an order,
so that of two steps that claim something the first one gets it. Knows no hooks and no workers.
"""

from __future__ import annotations

import time

import dagster as dg

_CLAIMED, _DONE = "{}: this step does it for the run.", "{}: done for the run."
_SETTLING_S = 0.2
"""A claim that was written before ours may become visible after it, in a database of many writers."""


class RunMarks:
    """The marks of one run, as one of its steps sees them.

    Args:
        context: The step's.
        is_alone: True where the run has no other step that could claim anything.
    """

    def __init__(self, context: dg.AssetExecutionContext, *, is_alone: bool) -> None:
        self._context = context
        self._is_alone = is_alone

    @property
    def step(self) -> str:
        """The key of the step that this is."""
        return str(self._context.get_step_execution_context().step.key)

    def claim(self, what: str) -> str:
        """Claim something, unless a step has it already.

        Returns:
            The step that has it.
        """
        if (holder := self._holder(what)) is not None:
            return holder
        self._write(_CLAIMED.format(what))
        if not self._is_alone:
            time.sleep(_SETTLING_S)
        return self._holder(what) or self.step

    def finish(self, what: str) -> None:
        """Tell that something has been done."""
        self._write(_DONE.format(what))

    def is_done(self, what: str) -> bool:
        """Tell whether something has been done, in this try of a step or an earlier one."""
        return any(event.message == _DONE.format(what) for event in self._events())

    def has_failed(self, step: str) -> bool:
        """Tell whether a step has failed for good."""
        return any(
            event.event_type == dg.DagsterEventType.STEP_FAILURE and event.step_key == step
            for event in self._events()
        )

    def _holder(self, what: str) -> str | None:
        """Return who claimed it first; a step that is to be tried again has lost its claim."""
        claims: list[str] = []
        for event in self._events():
            if event.event_type == dg.DagsterEventType.STEP_UP_FOR_RETRY:
                claims = [step for step in claims if step != event.step_key]
            elif event.message == _CLAIMED.format(what) and event.step_key is not None:
                claims.append(event.step_key)
        return claims[0] if claims else None

    def _events(self) -> list[dg.DagsterEvent]:
        kinds = {
            dg.DagsterEventType.ENGINE_EVENT,
            dg.DagsterEventType.STEP_FAILURE,
            dg.DagsterEventType.STEP_UP_FOR_RETRY,
        }
        entries = self._context.instance.all_logs(self._context.run_id, of_type=kinds)
        return [entry.dagster_event for entry in entries if entry.dagster_event is not None]

    def _write(self, message: str) -> None:
        self._context.instance.report_engine_event(
            message, dagster_run=self._context.run, step_key=self.step
        )
