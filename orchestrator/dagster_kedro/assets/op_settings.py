"""What Dagster is told of the op that runs a project's nodes.

Annotations are not postponed here, since Dagster reads them.
"""

from typing import Annotated, Any, Literal

import dagster as dg
from dagster.components.resolved.core_models import OpSpec
from pydantic import ConfigDict


class RetryPolicyModel(dg.Model):
    """`retry_policy:` how often Dagster runs the step again, in the words of `dg.RetryPolicy`."""

    max_retries: int = 1
    delay: float | None = None
    backoff: Literal["linear", "exponential"] | None = None
    jitter: Literal["full", "plus_minus"] | None = None


def _retry_policy(_context: dg.ResolutionContext, given: RetryPolicyModel) -> dg.RetryPolicy:
    return dg.RetryPolicy(
        max_retries=given.max_retries,
        delay=given.delay,
        backoff=dg.Backoff[given.backoff.upper()] if given.backoff else None,
        jitter=dg.Jitter[given.jitter.upper()] if given.jitter else None,
    )


class KedroOpSpec(OpSpec):
    """Settings of the op that runs a project's nodes, or of each op with `step_per="group"`.

    Example:
        >>> KedroOpSpec(name="flights", pool="warehouse", tags={"team": "flights"})
    """

    retry_policy: Annotated[
        dg.RetryPolicy | None,
        dg.Resolver(
            _retry_policy,
            model_field_type=RetryPolicyModel,
            description="How often Dagster runs the step again after a failure.",
            examples=[{"max_retries": 2, "delay": 30, "backoff": "exponential"}],
        ),
    ] = None
    model_config = ConfigDict(arbitrary_types_allowed=True)

    def options(self) -> dict[str, Any]:
        """Return what is set, as arguments of `dg.multi_asset`; the name apart."""
        named = {
            "description": self.description,
            "op_tags": self.tags,
            "pool": self.pool,
            "backfill_policy": self.backfill_policy,
            "retry_policy": self.retry_policy,
        }
        return {name: value for name, value in named.items() if value is not None}
