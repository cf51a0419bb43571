"""What can be wrong with a manifest, a plan or an invocation, each with its way out."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_SHOWN_NAMES = 10


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

    def __init__(self, message: str, kind: str = "", name: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        """Such as `node`."""
        self.name = name
        self.hint = hint
        """The nearest names, as a sentence."""

    @classmethod
    def of(cls, kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
        """Return the error for a name that is not there, with the nearest that are."""
        near = get_close_matches(name, known)
        hint = f"Did you mean {', '.join(map(repr, near))}?" if near else "Export it again."
        message = f"Cannot find {kind} '{name}' in the manifest. {hint}"
        return cls(message, kind, name, hint if near else "")


class DuplicateNameError(KedroPipesError):
    """Two different nodes share a name, or two nodes write one dataset.

    Cure: rename one, or export only the pipelines that belong together (`--pipeline`).
    """


class CyclicPipelineError(KedroPipesError):
    """The nodes depend on each other in a circle, so no order of running them exists."""


class OrchestrationError(KedroPipesError):
    """An entry of `dagster.yml` has a wrong type or value, or an unknown key.

    Cure: mend the entry that the message names, and export again.
    """

    def __init__(self, message: str, place: str = "", hint: str = "", problem: str = "") -> None:
        super().__init__(message)
        self.place = place
        """Dotted keys, such as `jobs.nightly.retries`."""
        self.hint = hint
        """What may stand there."""
        self.problem = problem
        """What is wrong with it, without place and hint."""

    @classmethod
    def at(
        cls, place: str, problem: str, hint: str = "", file: str = "dagster.yml"
    ) -> OrchestrationError:
        """Return the error for an entry, with what may stand there instead."""
        where = f"{file}: {place}" if place else file
        cure = f" {hint}" if hint else ""
        message = f"Cannot use {where}: {problem}.{cure} Mend the entry, and export again."
        return cls(message, place, hint, problem)

    def in_file(self, file: str) -> OrchestrationError:
        """Return the same error with the file, and perhaps the line, that it is in."""
        return type(self).at(self.place, self.problem, self.hint, file)

    @classmethod
    def unknown(cls, place: str, kind: str, name: str, known: Iterable[str]) -> OrchestrationError:
        """Return the error for an entry that names what is not there, with the nearest names."""
        known = sorted(known)
        near = get_close_matches(name, known) or known[:_SHOWN_NAMES]
        hint = f"Did you mean {', '.join(map(repr, near))}?" if near else f"There is no {kind}."
        return cls.at(place, f"there is no {kind} '{name}'", hint)


class GroupCycleError(KedroPipesError):
    """Groups that were asked for would have to wait for each other.

    Cure: leave the nodes on the path that the message names in one group, or let groups be
    widened (`on_cycle: widen`).
    """


class AmbiguousGroupError(KedroPipesError):
    """A node was asked to be in two groups.

    Cure: take it out of one of them.
    """


class InvocationError(KedroPipesError):
    """What a worker was asked to run cannot be decoded or is of another version.

    Cure: install the same version of kedro-dagster-pipes on both sides.
    """


class NoKedroError(InvocationError):
    """The interpreter that is to work for a project has no Kedro.

    Cure: name that of the project's environment: `python` in `KedroProject`, `KEDRO_PYTHON`, or on
    the command line.
    """

    @classmethod
    def here(cls, executable: str) -> NoKedroError:
        """Return the error for an interpreter."""
        return cls(
            f"Cannot work for a Kedro project with '{executable}': Kedro is not installed there. "
            "Name the interpreter of the project's own environment, in which "
            "kedro-dagster-pipes[kedro] is installed."
        )


class ProjectDriftError(KedroPipesError):
    """The project no longer matches the manifest that Dagster was given.

    Cure: export it again and reload the code location, or set `on_drift: warn`.
    """
