"""What to do about an engine that cannot be reached, and a container that does not begin.

Knows the words of engines, of TLS and of init processes; not how they are asked.
"""

from __future__ import annotations

from dagster_kedro.errors import WorkerNotStartedError

_SHUT_OUT = ("SSLError", "reset by peer", "Broken pipe", "RemoteDisconnected")
"""An engine that does not know us says so, or just hangs up, whichever is heard first."""


def way_in(url: str | None, said: str, *, with_tls: bool) -> str:
    """Return what to do about an engine that cannot be reached."""
    if url and url.startswith("ssh://"):
        return (
            "See that `ssh` goes there from here without a question, and that its user may use the "
            "engine. Where the engine's socket is not /var/run/docker.sock, add its path to the "
            "address: `ssh://user@host/run/user/1000/docker.sock`."
        )
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return (
            "The engine's certificate is not of the authority in `tls.ca_cert`, or not for this "
            "host: set the file of the authority that has signed it, and a host that it names."
        )
    if with_tls and any(each in said for each in _SHUT_OUT):
        return (
            "If the engine wants to know who asks, set `tls.client_cert` and `tls.client_key`, of an "
            "authority that it trusts."
        )
    return (
        "See that Docker runs and that this process may use it, or set `engine_url`, with `tls` "
        "where it wants TLS."
    )


def not_started(said: str) -> WorkerNotStartedError:
    """Return the error of a container that cannot run, in the words of who has tried."""
    cure = (
        "See that the image has what `python` names, or a shell (`sh`) for any other program, and "
        "that its networks and what is mounted are there."
    )
    if "could not select device driver" in said:
        cure = (
            "Give the engine's machine a GPU and the NVIDIA Container Toolkit, or take `gpus` out "
            "of `resources`."
        )
    return WorkerNotStartedError(f"Cannot start the worker's container: {said}. {cure}")
