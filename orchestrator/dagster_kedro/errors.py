"""How a group can fail, each with its way out. A group that raised none of these succeeded."""

from kedro_manifest.errors import KedroPipesError


class ProjectError(KedroPipesError):
    """The project's manifest cannot be had.

    Cure: export it with `kedro pipes export`, or pass the project's own interpreter as
    `python=` so that `dagster dev` can export it.
    """


class GroupFailedError(KedroPipesError):
    """A worker did not do what it was asked to."""


class NodeFailedError(GroupFailedError):
    """A node raised, or one of its datasets could not be loaded or saved.

    Cure: in the project; the message quotes the node's own traceback.
    """


class WorkerExitedError(GroupFailedError):
    """The worker's process ended with an exit code or signal and gave no reason.

    Cure: see the quoted log lines; run the group by hand with `python -m kedro_pipes`.
    """


class WorkerOutOfMemoryError(WorkerExitedError):
    """The kernel, or the container engine, killed the worker for want of memory.

    Cure: give the group more memory, run fewer groups at a time, or split the node.
    """


class WorkerNotStartedError(GroupFailedError):
    """The worker could not be started.

    Cure: check the interpreter or image that the client names.
    """


class ChannelIncompleteError(GroupFailedError):
    """Messages are missing, repeated or unreadable, or the stream did not end properly.

    Cure: see whether the worker was killed or its disk is full, and run the group again.
    """


class OutputNotSavedError(GroupFailedError):
    """The worker ended well, but never reported a selected output as saved."""


class PartitionsNotSavedError(GroupFailedError):
    """The worker ended well, but not every partition of the run was written.

    Cure: write them, or say with `partition_ids` which partitions stand for which keys.
    """


class CheckNotReportedError(GroupFailedError):
    """The worker ended well, but never reported a selected asset check."""


class BlockingCheckFailedError(GroupFailedError):
    """A blocking asset check failed, so that nothing downstream of it may run.

    Cure: in the data; what was saved before the check stays materialized.
    """


class PartitionError(KedroPipesError):
    """A run's partition contradicts what else the run is told.

    Cure: leave out the parameter, or select assets of one partitions definition.
    """


class RunFailedError(KedroPipesError):
    """One or more groups of a step failed; what finished before stays materialized."""
