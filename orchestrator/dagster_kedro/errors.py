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


class RunFailedError(KedroPipesError):
    """One or more groups of a step failed; what finished before stays materialized."""
