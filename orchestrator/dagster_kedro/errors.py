"""How a group can fail, each with its way out. A group that raised none of these succeeded."""

from typing import ClassVar

from kedro_manifest.errors import KedroPipesError
from kedro_manifest.events import NodeFailed
from kedro_manifest.orchestration.retrying import FailureKind


class ProjectError(KedroPipesError):
    """The project's manifest cannot be had.

    Cure: export it with `kedro pipes export`, or pass the project's own interpreter as
    `python=` so that `dagster dev` can export it.
    """


class GroupFailedError(KedroPipesError):
    """A worker did not do what it was asked to."""

    kind: ClassVar[FailureKind | None] = "exited"
    """What `retries: {on: …}` of dagster.yml calls it; None for what is never tried again."""


class NodeFailedError(GroupFailedError):
    """A node raised, or one of its datasets could not be loaded or saved.

    Cure: in the project; the message quotes the node's own traceback.
    """

    kind = "node"

    def __init__(self, message: str, failure: NodeFailed | None = None) -> None:
        super().__init__(message)
        self.failure = failure
        """What the worker has reported of it."""


class WorkerExitedError(GroupFailedError):
    """The worker's process ended with an exit code or signal and gave no reason.

    Cure: see the quoted log lines; run the group by hand with `python -m kedro_pipes`.
    """


class WorkerOutOfMemoryError(WorkerExitedError):
    """The kernel, or the container engine, killed the worker for want of memory.

    Cure: give the group more memory, run fewer groups at a time, or split the node.
    """

    kind = "out_of_memory"


class WorkerEvictedError(WorkerExitedError):
    """The place where the worker ran has put it out, for want of room or memory of its own.

    Cure: give the group requests that fit what it takes, or retry it.
    """

    kind = "evicted"


class WorkerPreemptedError(WorkerExitedError):
    """The machine was taken away from the worker, or its place given to something else.

    Cure: retry the group, or run it where machines stay.
    """

    kind = "preempted"


class WorkerLostError(WorkerExitedError):
    """Nobody can say how the worker ended: its container is gone, or its engine does not answer.

    Cure: see what has removed it, or whether the engine runs; retry the group.
    """

    kind = "lost"


class WorkerTimedOutError(GroupFailedError):
    """The worker took longer than `timeout_s`, and was stopped.

    Cure: see the quoted log lines; give the group more time, or split it.
    """

    kind = "timeout"


class WorkerRefusedError(GroupFailedError):
    """The worker did not start on its nodes, because they are not what it was told they are.

    Cure: export the project again and reload the code location; install the same version of
    kedro-dagster-pipes on both sides.
    """

    kind = None


class WorkerNotStartedError(GroupFailedError):
    """The worker could not be started.

    Cure: check the interpreter or image that the client names.
    """

    kind = "not_started"


class ChannelIncompleteError(GroupFailedError):
    """Messages are missing, repeated or unreadable, or the stream did not end properly.

    Cure: see whether the worker was killed or its disk is full, and run the group again.
    """

    kind = "channel"


class OutputNotSavedError(GroupFailedError):
    """The worker ended well, but never reported a selected output as saved."""

    kind = "node"


class PartitionsNotSavedError(GroupFailedError):
    """The worker ended well, but not every partition of the run was written.

    Cure: write them, or say with `partition_ids` which partitions stand for which keys.
    """

    kind = "node"


class CheckNotReportedError(GroupFailedError):
    """The worker ended well, but never reported a selected asset check."""

    kind = "node"


class RunHookFailedError(GroupFailedError):
    """A hook that fires once for a run (`before_pipeline_run` and the like) has failed.

    Cure: in the hook; if it needs what another hook keeps in its object, `run_hooks: {NAME:
    per_process}` in `dagster.yml`.
    """

    kind = None


class ConductorFailedError(GroupFailedError):
    """The session of a run, in which its workers are forked, has failed before or after them.

    Cure: in the hook or the project code that the message quotes; `start: cold` in `dagster.yml`
    gives each worker a session of its own.
    """

    kind = None


class BlockingCheckFailedError(GroupFailedError):
    """A blocking asset check failed, so that nothing downstream of it may run.

    Cure: in the data; what was saved before the check stays materialized.
    """

    kind = "check"


class PartitionError(KedroPipesError):
    """A run's partition contradicts what else the run is told.

    Cure: leave out the parameter, or select assets of one partitions definition.
    """


class RunFailedError(KedroPipesError):
    """One or more groups of a step failed; what finished before stays materialized."""


class StorageError(KedroPipesError):
    """Files or objects cannot be looked at.

    Cure: check the address and that this machine reaches it; give `storage_options`.
    """
