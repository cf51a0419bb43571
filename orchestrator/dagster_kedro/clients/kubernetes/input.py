"""The standard input of a container, over a connection that the API has handed over.

Knows no library: whatever it raises is a connection that broke.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from dagster_kedro.clients.kubernetes.errors import ApiUnreachableError


class Attached:
    """The standard input of a container.

    Args:
        socket: What the library has handed over.
    """

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    def send(self, text: str) -> None:
        """Write something.

        Raises:
            ApiUnreachableError: The connection broke.
        """
        try:
            self._socket.update(timeout=0)  # answers the server's pings, and notices an end
            if not self._socket.is_open():
                raise ApiUnreachableError(  # noqa: TRY301 - goes the way of all others
                    "the connection to its standard input has ended"
                )
            self._socket.write_stdin(text)
        except ApiUnreachableError:
            raise
        except Exception as error:  # whatever the libraries beneath raise
            raise ApiUnreachableError(str(error)) from error

    def close(self) -> None:
        """End the connection."""
        with suppress(Exception):
            self._socket.close()
