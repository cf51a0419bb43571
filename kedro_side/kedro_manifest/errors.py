"""What can be wrong with a manifest, a plan or an invocation, each with its way out."""


class KedroPipesError(Exception):
    """Root of every error that kedro-dagster-pipes raises on purpose."""


class ManifestError(KedroPipesError):
    """A manifest cannot be used."""


class ManifestReadError(ManifestError):
    """The file is missing, truncated, no manifest, or has a value of the wrong type.

    Cure: export it again with `kedro pipes export`.
    """


class ManifestVersionError(ManifestError):
    """The manifest was written in a format that this version cannot read.

    Cure: upgrade the older of the two sides, then export again.
    """


class UnknownNameError(KedroPipesError):
    """A node, dataset or pipeline is named that the manifest does not hold.

    Cure: use one of the nearest names that the message lists.
    """


class DuplicateNameError(KedroPipesError):
    """Two different nodes share a name, or two nodes write one dataset.

    Cure: rename one, or export only the pipelines that belong together (`--pipeline`).
    """


class CyclicPipelineError(KedroPipesError):
    """The nodes depend on each other in a circle, so no order of running them exists."""


class InvocationError(KedroPipesError):
    """What a worker was asked to run cannot be decoded or is of another version.

    Cure: install the same version of kedro-dagster-pipes on both sides.
    """
