"""`reporting:` what is said of data that a worker has saved."""

from __future__ import annotations

import msgspec

from kedro_manifest.invocation import VersionBy


class Reporting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`reporting:` what Dagster is told of saved data."""

    metadata: bool = True
    """Whether saved data is described: place, size, rows, columns, numbers, a preview. What node
    code reports itself is shown all the same."""
    previews: bool = True
    """Whether the description has a preview in it: the first rows of a table, the beginning of a
    text, an image. For one dataset, `metadata: {dagster: {preview: false}}` in the catalog."""
    data_versions: VersionBy = "auto"
    """What tells one version of saved files from another: a hash of their bytes, or size and time.
    `auto` reads up to 64 MiB of a dataset, takes the etag in a storage elsewhere, and else size and
    time. With `never` Dagster makes versions from code and inputs alone."""
