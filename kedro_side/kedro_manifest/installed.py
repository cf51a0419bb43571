"""What is installed in this environment, as either side tells the other: `python -m kedro_manifest`.

Looks into the metadata of distributions; imports none of them.
"""

from __future__ import annotations

import platform
import sys
from importlib import metadata

import msgspec

from kedro_manifest import __version__
from kedro_manifest.invocation import PROTOCOL_VERSION
from kedro_manifest.model import FORMAT_VERSION

_TOLD = (
    "dagster",
    "dagster-celery",
    "dagster-celery-docker",
    "dagster-celery-k8s",
    "dagster-dask",
    "dagster-docker",
    "dagster-k8s",
    "dagster-pipes",
    "docker",
    "kedro",
    "kedro-mlflow",
    "kubernetes",
)


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """One environment. What newer versions tell besides is passed over."""

    executable: str
    """The interpreter, as it was called."""
    python: str
    """Its version, such as `3.12.1`."""
    version: str
    """Of kedro-dagster-pipes."""
    manifest_format: str
    """`major.minor` of the manifests that it reads or writes."""
    protocol: str
    """`major.minor` of what it says to the other side."""
    packages: dict[str, str] = {}
    """Versions of Kedro, Dagster and what belongs to our extras, by distribution, where they are
    installed."""

    def describe(self, *packages: str) -> str:
        """Return the versions of Python, of some packages and of ours, for people."""
        versions = {"Python": self.python} | {
            name: self.packages.get(name, "missing") for name in packages
        }
        named = [f"{name} {version}" for name, version in versions.items()]
        return ", ".join([*named, f"kedro-dagster-pipes {self.version}"])


def installed_here() -> Installed:
    """Return what is installed in the environment of this process."""
    return Installed(
        executable=sys.executable,
        python=platform.python_version(),
        version=__version__,
        manifest_format=FORMAT_VERSION,
        protocol=PROTOCOL_VERSION,
        packages={name: version for name in _TOLD if (version := _version(name))},
    )


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
