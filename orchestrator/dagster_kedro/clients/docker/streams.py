"""What a container reads and writes, over one connection that an engine has handed over.

Knows the engine's frames, not the engine; and not what is in them.
"""

from __future__ import annotations

import io
import socket
import struct
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, Any

_HEADER = struct.Struct(">BxxxL")
_STDERR = 2


class ContainerStreams:
    """A container's streams over one connection, whose end closes its standard input.

    Args:
        connection: What the engine has handed over: a socket, or one wrapped for reading.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._socket = getattr(connection, "_sock", connection)
        for each in (connection, self._socket):
            # A node may be silent for hours: the answer's time limit is not for its output.
            with suppress(AttributeError, OSError):
                each.settimeout(None)
        self._receive = getattr(connection, "recv", None) or connection.read
        self.stdout, self.stderr = _Stream(), _Stream()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Tell whether nothing more will come."""
        return not self._thread.is_alive()

    def say_all_is_well(self) -> None:
        """Tell whoever reads the standard input that its end is meant to be."""
        with suppress(OSError, ValueError):
            self._socket.send(b".\n")

    def close(self) -> None:
        """End the connection."""
        with suppress(OSError, ValueError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with suppress(OSError, ValueError):
            self._connection.close()

    def _read(self) -> None:
        # Not the library's own reader: it asks the system whether there is anything to read, which
        # knows nothing of what TLS has taken out of the socket already.
        try:
            while len(header := self._read_header()) == _HEADER.size:
                number, size = _HEADER.unpack(header)
                stream = self.stderr if number == _STDERR else self.stdout
                while size and (data := self._receive(size)):
                    stream.put(data)
                    size -= len(data)
        except (OSError, ValueError):
            pass  # a connection that breaks is an end as well; what is missing is noticed
        finally:
            self.stdout.put(b"")
            self.stderr.put(b"")

    def _read_header(self) -> bytes:
        """Return what stands before each piece of output; less of it at the end."""
        header = b""
        while len(header) < _HEADER.size and (data := self._receive(_HEADER.size - len(header))):
            header += data
        return header


class _Stream(io.RawIOBase):
    """Bytes that another thread brings, to be read as from a pipe."""

    def __init__(self) -> None:
        super().__init__()
        self._chunks: SimpleQueue[bytes] = SimpleQueue()

    def put(self, data: bytes) -> None:
        self._chunks.put(data)

    def read(self, _size: int = -1) -> bytes:
        """Return the next bytes, whatever their number; none at the end."""
        return self._chunks.get()


def as_file(stream: _Stream) -> IO[bytes]:
    """Return a stream as what reads a process's output takes."""
    return stream  # type: ignore[return-value]
