"""Programs of others that a command asks: `docker`, `kubectl`. Knows none of what they say."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from kedro_manifest.errors import KedroPipesError


class OutsideProgramError(KedroPipesError):
    """A program is missing, reaches nothing, or is refused something.

    Cure: the message has the program's own words.
    """

    def __init__(self, problem: str, cure: str) -> None:
        super().__init__(f"{problem} {cure}")
        self.problem = problem
        """What is wrong, without what to do about it."""
        self.cure = cure


class OutsideProgramMissingError(OutsideProgramError):
    """A program is not there, so nothing can be said of what it would have asked.

    Cure: install it, or run the command where it is.
    """


class OutsideProgram:
    """A program that answers on its standard output.

    Args:
        prefix: Its name, and what every call begins with.
        asked: Whom it asks, for messages: `the Docker engine`.
        missing: What to do where it is not there.
        cure: What to do where it gets no answer.
        gone: What its refusals hold where something is not there any more.
    """

    def __init__(
        self,
        prefix: Sequence[str],
        *,
        asked: str,
        missing: str,
        cure: str,
        gone: Sequence[str] = (),
    ) -> None:
        self._prefix = list(prefix)
        self._asked = asked
        self._missing = missing
        self._cure = cure
        self._gone = gone

    def run(
        self, *arguments: str, may_be_gone: bool = False, text: str = "", timeout_s: float = 60
    ) -> str:
        """Call it; return what it prints.

        Args:
            arguments: What follows the prefix.
            may_be_gone: Whether it is all right that something is not there any more.
            text: What it reads.
            timeout_s: How long it may take.

        Raises:
            OutsideProgramError: It is missing, or refuses.
        """
        try:
            done = subprocess.run(  # noqa: S603 - the program is named by us, and so are its words
                [*self._prefix, *arguments],
                input=text,
                capture_output=True,
                text=True,
                check=False,
                timeout=timeout_s,
            )
        except FileNotFoundError as error:
            raise OutsideProgramMissingError(
                f"Cannot ask {self._asked}: there is no `{self._prefix[0]}` command on the PATH.",
                self._missing,
            ) from error
        except OSError as error:
            raise self.failed(str(error)) from error
        except subprocess.TimeoutExpired as error:
            raise self.failed(f"no answer within {timeout_s:g} s") from error
        if done.returncode and not (may_be_gone and any(e in done.stderr for e in self._gone)):
            # The last line: what comes before are attempts, warnings, a host's greeting.
            *_, words = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise self.failed(words.strip().rstrip(".?"))
        return done.stdout

    def failed(self, words: str) -> OutsideProgramError:
        """Return the error of a program that gives no answer, in its words or ours."""
        return OutsideProgramError(f"Cannot ask {self._asked}: {words}.", self._cure)
