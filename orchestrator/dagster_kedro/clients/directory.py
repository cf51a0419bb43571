"""The clients of `dagster.yml`, made when they are wanted.

Knows how an entry becomes a client, not which groups it runs. To add a kind of client, add its
struct to `kedro_manifest.orchestration.clients` and its factory to `_FACTORIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import dagster as dg
import msgspec
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.orchestration.clients import (
    AnyClient,
    CustomClient,
    DockerClient,
    K8sClient,
    SshClient,
    SubprocessClient,
)

from dagster_kedro.clients.base import KedroClient
from dagster_kedro.clients.ssh import KedroSshClient
from dagster_kedro.clients.subprocess import KedroSubprocessClient
from dagster_kedro.python_objects import load_object


class ClientDirectory:
    """Clients by name, each made and set up once, until the directory is closed.

    Args:
        entries: `clients` of `dagster.yml`.
        own: The resource's client, for whatever they do not run.
    """

    def __init__(self, entries: Mapping[str, AnyClient], own: KedroClient) -> None:
        self._entries = entries
        self._stack = ExitStack()
        self._ready: dict[str | None, KedroClient] = {None: own}

    def get(self, name: str | None) -> KedroClient:
        """Return a client that is ready to launch workers; None stands for the resource's own.

        Raises:
            OrchestrationError: It cannot be made.
        """
        if name not in self._ready:
            self._ready[name] = set_up_client(self._stack, str(name), self._entries[str(name)])
        return self._ready[name]

    def close(self) -> None:
        """Take down what was set up."""
        self._stack.close()


def set_up_client(stack: ExitStack, name: str, entry: AnyClient) -> KedroClient:
    """Return a client as Dagster would hand it to a step, until the stack is closed.

    Raises:
        OrchestrationError: It cannot be made.
    """
    made = make_client(name, entry)
    ready: KedroClient = stack.enter_context(made.process_config_and_initialize_cm())
    return ready


def make_client(name: str, entry: AnyClient) -> KedroClient:
    """Return the client that an entry under `clients` describes.

    Raises:
        OrchestrationError: A factory that cannot be imported, fails, or returns no client.
    """
    return _FACTORIES[type(entry)](name, entry)


def _subprocess(_: str, entry: SubprocessClient) -> KedroClient:
    return KedroSubprocessClient(
        python=entry.python,
        env=entry.env,
        pass_env=entry.pass_env,
        grace_s=entry.grace_s,
        messages=entry.messages,
        start=entry.start,
    )


def _docker(name: str, entry: DockerClient) -> KedroClient:
    try:
        # Wanted only where containers are: its library is an extra.
        from dagster_kedro.clients.docker import KedroDockerClient  # noqa: PLC0415
    except ImportError as error:
        raise OrchestrationError.at(
            f"clients.{name}.type",
            f"clients of type 'docker' need a package that is not there ({error.name})",
            "Install `kedro-dagster-pipes[docker]` beside Dagster.",
        ) from error
    settings = msgspec.to_builtins(entry)
    settings = {
        key: value for key, value in settings.items() if key in KedroDockerClient.model_fields
    }
    settings["resources"] = _said(settings["resources"])
    return KedroDockerClient(**_said(settings))


def _ssh(_: str, entry: SshClient) -> KedroClient:
    settings = msgspec.to_builtins(entry)
    return KedroSshClient(
        **{key: value for key, value in settings.items() if key in KedroSshClient.model_fields}
    )


def _k8s(name: str, entry: K8sClient) -> KedroClient:
    try:
        # Wanted only where pods are: its libraries are an extra.
        from dagster_kedro.clients.kubernetes import KedroK8sClient  # noqa: PLC0415
    except ImportError as error:
        raise OrchestrationError.at(
            f"clients.{name}.type",
            f"clients of type 'k8s' need a package that is not there ({error.name})",
            "Install `kedro-dagster-pipes[k8s]` beside Dagster.",
        ) from error
    settings = msgspec.to_builtins(entry)
    settings = {key: each for key, each in settings.items() if key in KedroK8sClient.model_fields}
    settings["resources"] = _said(settings["resources"])
    return KedroK8sClient(**_said(settings))


def _said(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if value is not None}


def _custom(name: str, entry: CustomClient) -> KedroClient:
    place = f"clients.{name}.factory"
    factory = load_object(entry.factory, place)
    try:
        client = factory(**_with_variables(entry.options))
    except Exception as error:
        raise OrchestrationError.at(
            place,
            f"'{entry.factory}' failed with these options ({type(error).__name__}: {error})",
            f"See `clients.{name}.options`.",
        ) from error
    if not isinstance(client, KedroClient):
        raise OrchestrationError.at(
            place,
            f"'{entry.factory}' returned {type(client).__name__}, and no client",
            "Let it return an instance of a subclass of `dagster_kedro.KedroClient`.",
        )
    return client


def _with_variables(value: Any) -> Any:
    """Put in what a resource takes for a variable: it is read when a step begins, not before."""
    if isinstance(value, Mapping):
        if value.keys() == {"env"} and isinstance(value["env"], str):
            return dg.EnvVar(value["env"])
        return {key: _with_variables(inner) for key, inner in value.items()}
    return [_with_variables(inner) for inner in value] if isinstance(value, list) else value


_FACTORIES: dict[type[AnyClient], Callable[[str, Any], KedroClient]] = {
    SubprocessClient: _subprocess,
    DockerClient: _docker,
    SshClient: _ssh,
    K8sClient: _k8s,
    CustomClient: _custom,
}
