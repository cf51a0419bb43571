"""How the Kubernetes API can fail: it refuses something, or does not answer.

Knows no library.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dagster_kedro.errors import WorkerNotStartedError

UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, GONE = 401, 403, 404, 409, 410


class ApiRefusedError(Exception):
    """The API answers, and says no.

    Args:
        code: Of HTTP.
        words: What it says.
    """

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


class ApiUnreachableError(Exception):
    """The API does not answer, or cannot at the moment."""


@contextmanager
def explained(what: str, cure: str) -> Iterator[None]:
    """Say what could not be done where the API refuses it, or does not answer.

    Raises:
        WorkerNotStartedError: As said.
    """
    try:
        yield
    except ApiRefusedError as error:
        raise WorkerNotStartedError(
            f"Cannot {what}: the Kubernetes API refuses it ({error.code}): {error}. {cure}"
        ) from error
    except ApiUnreachableError as error:
        raise WorkerNotStartedError(
            f"Cannot {what}: the Kubernetes API does not answer: {error}. See that the cluster is "
            "up, and that this process reaches it (`kubectl get pods`)."
        ) from error
