"""Where a project's manifest comes from, and when it is written anew.

Under `dagster dev` the manifest is refreshed by running the exporter with the project's own
interpreter. The processes of a run find the manifest that the UI showed through an
environment variable, and never export. Knows files and one subprocess, no assets.
"""

from __future__ import annotations

import copy
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from filelock import FileLock
from kedro_manifest.codec import encode_manifest, read_manifest, write_manifest
from kedro_manifest.model import Dataset, Manifest

from dagster_kedro.errors import ProjectError

INHERITED = "KEDRO_PIPES_MANIFEST_"
"""Prefix of the variable that names the manifest which run and step processes must use."""

STATE_FOLDER = ".kedro-pipes"
_EXPORT_TIMEOUT_S = 600
_NO_KEDRO_SIDE = re.compile(r"No module named '?(kedro_pipes|kedro_manifest|dagster_pipes)\b")
_INTERPRETERS = (".venv/bin/python", "venv/bin/python", ".venv/Scripts/python.exe")


class KedroProject:
    """A Kedro project as the Dagster side sees it: a folder, an interpreter, a manifest.

    Args:
        project_dir: The project's directory; relative paths are taken from the working directory.
        python: Interpreter of the project's own environment, where Kedro is installed. Default:
            the project's `.venv`.
        manifest_path: The exported manifest. Default: `manifest.json` in the project.
        env: Kedro environment. Default: the variable KEDRO_ENV, or the project's default.
        conf_source: Configuration directory or archive, as for `kedro run --conf-source`.
        key_prefix: Put before the keys of the project's assets and the names of its jobs, to
            keep several projects in one code location apart.

    Raises:
        ProjectError: There is no such directory, or no manifest and no way to write it.
    """

    def __init__(
        self,
        project_dir: str | os.PathLike[str],
        *,
        python: str | os.PathLike[str] | None = None,
        manifest_path: str | os.PathLike[str] | None = None,
        env: str | None = None,
        conf_source: str | None = None,
        key_prefix: str | Sequence[str] = (),
    ) -> None:
        self.project_dir = Path(project_dir).resolve()
        self.python = _interpreter(self.project_dir, python)
        self.manifest_path = Path(manifest_path or self.project_dir / "manifest.json").resolve()
        self.env = env or os.environ.get("KEDRO_ENV") or None
        self.conf_source = conf_source
        self.key_prefix = [key_prefix] if isinstance(key_prefix, str) else list(key_prefix)
        if not self.project_dir.is_dir():
            raise ProjectError(
                f"Cannot open project '{self.project_dir}': expected a directory. "
                "Pass the folder that holds the project's pyproject.toml as `project_dir`."
            )

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest; under `dagster dev` refreshed first, if sources have changed."""
        file = self._manifest_file()
        manifest = read_manifest(file)
        here, theirs = _package_of(self.project_dir), manifest.project
        if here is not None and here != theirs.package_name:
            raise ProjectError(
                f"Cannot use manifest '{file}': it was exported from another project, "
                f"'{theirs.name}' with the package '{theirs.package_name}', while "
                f"'{self.project_dir}' holds the package '{here}'. Pass the manifest of this "
                "project as `manifest_path`, or the directory of the other one as `project_dir`."
            )
        return manifest

    @property
    def inherited_variable(self) -> str:
        """Environment variable that names the manifest for the processes of a run."""
        identity = f"{self.project_dir}\0{self.env}\0{self.conf_source}\0{self.manifest_path}"
        return INHERITED + hashlib.sha256(identity.encode()).hexdigest()[:16].upper()

    def location_of(self, dataset: Dataset) -> str | None:
        """Return where a dataset is, comparable between projects; None where nobody can say."""
        if dataset.uri is None or dataset.kind == "memory":
            return None
        if dataset.protocol not in {None, "file"} or "://" in dataset.uri:
            return dataset.uri
        return str((self.project_dir / dataset.uri).resolve())

    def pinned_to(self, manifest_path: Path) -> KedroProject:
        """Return the same project with the manifest of a file, read at once and never refreshed.

        Raises:
            ManifestError: The file is no manifest, or one of another version.
        """
        pinned = copy.copy(self)
        # Stands in the place of the cached property.
        pinned.__dict__["manifest"] = read_manifest(manifest_path)
        return pinned

    def export(self, target: Path) -> None:
        """Write the manifest to a file, with the project's own interpreter.

        Raises:
            ProjectError: The export failed; the message holds what the exporter said.
        """
        if self.python is None:
            raise ProjectError(
                f"Cannot export project '{self.project_dir}': it has no `.venv`, and no "
                "interpreter was named. Pass `python=` with the interpreter of the "
                "environment in which Kedro and kedro-dagster-pipes[kedro] are installed."
            )
        command = [str(self.python), "-m", "kedro_pipes", "export", "-o", str(target)]
        command += ["--env", self.env] if self.env else []
        command += ["--conf-source", self.conf_source] if self.conf_source else []
        try:
            exported = subprocess.run(  # noqa: S603 - the interpreter is the user's own choice
                command,
                cwd=self.project_dir,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_EXPORT_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ProjectError(
                f"Cannot export project '{self.project_dir}' with '{self.python}': {error}. "
                "Pass `python=` with the interpreter of the project's own environment."
            ) from error
        if exported.returncode != 0:
            raise ProjectError(
                f"Cannot export project '{self.project_dir}': `{' '.join(command)}` ended with "
                f"exit code {exported.returncode}:\n{exported.stderr.strip()}"
                f"{self._cure_of(exported.stderr)}"
            )

    def prepare(self) -> Path:
        """Export the manifest with the project's interpreter, unless nothing has changed.

        Returns:
            The content-addressed copy that run and step processes will read.

        Raises:
            ProjectError: The export failed; the message holds what the exporter said.
        """
        state = self.project_dir / STATE_FOLDER
        state.mkdir(exist_ok=True)
        # Git sees nothing of the folder, whatever the project's own .gitignore says.
        (state / ".gitignore").write_text("*\n")
        stamp = state / f"{self.inherited_variable.lower()}.stamp"
        with FileLock(state / "export.lock", timeout=_EXPORT_TIMEOUT_S):
            sources = self._fingerprint()
            if not (stamp.is_file() and stamp.read_text() == self._stamp(sources)):
                self.export(self.manifest_path)
                stamp.write_text(self._stamp(sources))
            return self._frozen_copy(state)

    def _cure_of(self, said: str) -> str:
        """What Python itself cannot say of an environment that lacks our Kedro side."""
        if not _NO_KEDRO_SIDE.search(said):
            return ""
        return (
            f"\nInstall the Kedro side there, `{self.python} -m pip install "
            "'kedro-dagster-pipes[kedro]'`, or pass `python=` with the interpreter of the "
            "environment that has it."
        )

    def _manifest_file(self) -> Path:
        if inherited := os.environ.get(self.inherited_variable):
            return Path(inherited)
        if not os.environ.get("DAGSTER_IS_DEV_CLI"):
            return self.manifest_path
        frozen = self.prepare()
        os.environ[self.inherited_variable] = str(frozen)
        return frozen

    def _stamp(self, sources: str) -> str:
        """Say what was exported, and that the file is still that: another environment may share it."""
        if not self.manifest_path.is_file():
            return ""
        return f"{sources} {hashlib.sha256(self.manifest_path.read_bytes()).hexdigest()}"

    def _fingerprint(self) -> str:
        """Digest of everything an export depends on: sources, configuration, interpreter."""
        digest = hashlib.sha256(str(self.python).encode())
        for file in _project_files(self.project_dir):
            status = file.stat()
            digest.update(f"{file}\0{status.st_mtime_ns}\0{status.st_size}\n".encode())
        return digest.hexdigest()

    def _frozen_copy(self, state: Path) -> Path:
        """Copy the manifest under its content hash, so that a later export cannot change it."""
        manifest = read_manifest(self.manifest_path)
        frozen = state / f"manifest.{manifest.content_hash[:16]}.json"
        if not frozen.is_file() or frozen.read_bytes() != encode_manifest(manifest):
            write_manifest(manifest, frozen)
        return frozen


def _interpreter(project_dir: Path, python: str | os.PathLike[str] | None) -> Path | None:
    """Absolute, but never resolved: a virtual environment is found through the link itself."""
    if python is not None:
        return Path(os.path.abspath(os.path.expanduser(python)))  # noqa: PTH100, PTH111
    found = (project_dir / place for place in _INTERPRETERS)
    return next((place for place in found if place.is_file()), None)


def _package_of(project_dir: Path) -> str | None:
    """Return the package that a source project declares; None where nobody can say here."""
    if sys.version_info < (3, 11) or not (project_dir / "pyproject.toml").is_file():
        return None  # The worker compares them as well.
    import tomllib  # noqa: PLC0415 - Python 3.10 has none

    try:
        declared = tomllib.loads((project_dir / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # Kedro says what is wrong with it.
    package = declared.get("tool", {}).get("kedro", {}).get("package_name")
    return package if isinstance(package, str) else None


def _project_files(project_dir: Path) -> Iterator[Path]:
    """Yield the files that an export reads, sorted: sources, configuration, pyproject.toml."""
    for root in ("src", "conf"):
        for file in sorted((project_dir / root).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                yield file
    yield from (file for file in [project_dir / "pyproject.toml"] if file.is_file())
