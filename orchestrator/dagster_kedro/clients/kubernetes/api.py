"""The Kubernetes API: pods, what belongs to them, their logs. The one module that knows kubernetes.

Requests that are throttled, or fail on the server's side, are tried again for a bounded time. Its
errors become ours here. Knows no workers, messages or groups.
"""

from __future__ import annotations

import copy
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import kubernetes.client
import kubernetes.config
import kubernetes.stream
import msgspec
import urllib3.exceptions
from dagster_k8s.models import k8s_model_from_dict, k8s_snake_case_dict
from kubernetes.client import models
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException
from urllib3.util import Retry

from dagster_kedro.clients.kubernetes.errors import (
    CONFLICT,
    NOT_FOUND,
    ApiRefusedError,
    ApiUnreachableError,
)
from dagster_kedro.clients.kubernetes.input import Attached
from dagster_kedro.clients.kubernetes.objects import Change, EventList, Failure, Pod, PodList
from dagster_kedro.clients.kubernetes.rate import RateLimit
from dagster_kedro.errors import WorkerNotStartedError

_CONNECT_S, _ANSWER_S = 10, 60
_TRIED_AGAIN = (429, 500, 502, 503, 504)
_RETRIES = Retry(
    total=6,
    backoff_factor=0.25,
    backoff_max=8,
    status_forcelist=_TRIED_AGAIN,
    # Names are ours, so that nothing can come to be twice.
    allowed_methods=None,
    raise_on_status=False,
)
_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_CHUNK_BYTES = 64 * 1024
_CONNECTION_ERRORS = (urllib3.exceptions.HTTPError, OSError)


class KubernetesApi:
    """One cluster, and one namespace of it.

    Args:
        kubeconfig: The file that says how it is reached. Default: this pod's service account, or
            what `kubectl` would take.
        context: One of the file's contexts. Default: its current one.
        namespace: Default: the pod's own, or the context's.
        requests_per_s: How many requests it makes at most, those included that open a log.

    Raises:
        WorkerNotStartedError: Nothing says how a cluster is reached.
    """

    def __init__(
        self,
        kubeconfig: str | None = None,
        context: str | None = None,
        namespace: str | None = None,
        requests_per_s: float = 50,
    ) -> None:
        self._rate = RateLimit(requests_per_s)
        self._watching: Any = None
        self._configuration = kubernetes.client.Configuration()
        self._in_cluster = not kubeconfig and not context and _SERVICE_ACCOUNT.is_file()
        try:
            found = self._load(kubeconfig, context)
        except (ConfigException, OSError) as error:
            raise WorkerNotStartedError(
                f"Cannot find a Kubernetes cluster: {error}. Set `kubeconfig` and `context`, or let "
                "the orchestrator run in the cluster with a service account."
            ) from error
        self.namespace = namespace or found or "default"
        # Each worker's log is a connection that stays.
        self._configuration.connection_pool_maxsize = 50
        # Who reads a stream opens it again by itself, and wants to know of a failure at once.
        self._streams = kubernetes.client.ApiClient(self._configuration)
        patient = copy.copy(self._configuration)
        patient.retries = _RETRIES
        self._client = kubernetes.client.ApiClient(patient)
        self._core = kubernetes.client.CoreV1Api(self._client)
        self._streaming = kubernetes.client.CoreV1Api(self._streams)

    def _load(self, kubeconfig: str | None, context: str | None) -> str | None:
        if self._in_cluster:
            kubernetes.config.load_incluster_config(client_configuration=self._configuration)
            return _SERVICE_ACCOUNT.read_text().strip()
        kubernetes.config.load_kube_config(
            config_file=kubeconfig, context=context, client_configuration=self._configuration
        )
        contexts, active = kubernetes.config.list_kube_config_contexts(kubeconfig)
        chosen = next((each for each in contexts if each["name"] == context), active)
        return chosen["context"].get("namespace") if chosen else None

    def close(self) -> None:
        """Let go of the connections."""
        for client in (self._client, self._streams):
            client.close()
            client.rest_client.pool_manager.clear()

    def own_pod(self) -> dict[str, Any] | None:
        """Return an owner reference to the pod that this process is in, if it is in one of ours."""
        name = os.environ.get("HOSTNAME")
        if not (self._in_cluster and name):
            return None
        if _SERVICE_ACCOUNT.read_text().strip() != self.namespace:
            return None  # an owner has to be in the same namespace
        with suppress(ApiRefusedError, ApiUnreachableError):
            return owner_reference(self.get_pod(name))
        return None

    def create_pod(self, body: Mapping[str, Any]) -> Pod:
        """Create a pod."""
        return self._pod(self._core.create_namespaced_pod, body=body)

    def get_pod(self, name: str) -> Pod:
        """Return a pod."""
        return self._pod(self._core.read_namespaced_pod, name)

    def delete_pod(self, name: str, uid: str | None, grace_s: int | None) -> None:
        """Delete a pod; it may be gone already, and another of its name is left alone.

        Args:
            name: Its name.
            uid: Which of that name; None for any.
            grace_s: Between SIGTERM and SIGKILL; None for what it says itself.
        """
        options = models.V1DeleteOptions(
            grace_period_seconds=grace_s,
            preconditions=models.V1Preconditions(uid=uid) if uid else None,
        )
        self._if_there(self._core.delete_namespaced_pod, name, body=options)

    def create_config_map(self, body: Mapping[str, Any]) -> None:
        """Create a config map, in the place of one that is there."""
        try:
            self._ask(self._core.create_namespaced_config_map, body=body)
        except ApiRefusedError as error:
            if error.code != CONFLICT:
                raise
            self.delete_config_map(body["metadata"]["name"])
            self._ask(self._core.create_namespaced_config_map, body=body)

    def own_config_map(self, name: str, owner: Mapping[str, Any]) -> None:
        """Have a config map be removed with its owner."""
        body = {"metadata": {"ownerReferences": [owner]}}
        self._ask(self._core.patch_namespaced_config_map, name, body=body)

    def delete_config_map(self, name: str) -> None:
        """Delete a config map; it may be gone already."""
        self._if_there(self._core.delete_namespaced_config_map, name)

    def list_pods(self, selector: str) -> PodList:
        """Return the pods with some labels."""
        answer = self._ask(
            self._streaming.list_namespaced_pod,
            label_selector=selector,
            _preload_content=False,
            is_urgent=True,
        )
        return msgspec.json.decode(answer.data, type=PodList)

    def warnings_of(self, pod: Pod) -> list[str]:
        """Return what the cluster has warned of about a pod, the last at the end."""
        selector = f"involvedObject.uid={pod.metadata.uid},type=Warning"
        try:
            answer = self._ask(
                self._core.list_namespaced_event, field_selector=selector, _preload_content=False
            )
        except (ApiRefusedError, ApiUnreachableError):
            return []  # they only make a message better
        found = msgspec.json.decode(answer.data, type=EventList).items
        return [f"{each.reason}: {each.message}" for each in found if each.type == "Warning"]

    def watch_pods(self, selector: str, version: str, timeout_s: int) -> Iterator[tuple[str, Pod]]:
        """Return what happens to the pods with some labels, until the server ends it.

        Raises:
            ApiRefusedError: With code 410 where that version is forgotten.
            ApiUnreachableError: The connection broke.
        """
        answer = self._ask(
            self._streaming.list_namespaced_pod,
            label_selector=selector,
            watch=True,
            resource_version=version,
            allow_watch_bookmarks=True,
            timeout_seconds=timeout_s,
            _preload_content=False,
            _request_timeout=(_CONNECT_S, timeout_s + _CONNECT_S),
            is_urgent=True,
        )
        self._watching = answer
        return _changes(answer)

    def end_watch(self) -> None:
        """Have whoever waits for the next line of the watch wait no longer."""
        with suppress(AttributeError, OSError):  # there is none, or it has ended
            # Not `SSLSocket`'s own method, after which the reader gets what is still encrypted.
            socket.socket.shutdown(self._watching.connection.sock, socket.SHUT_RD)

    def read_log(
        self, pod: str, container: str, *, since: str | None, follow: bool, silence_s: float
    ) -> Iterator[bytes]:
        """Yield a container's log as it comes, each line with its time.

        Args:
            pod: Name of the pod.
            container: Which of its containers.
            since: A time, which the server takes by the second.
            follow: Whether to wait for more, until the container ends.
            silence_s: After which the connection counts as broken.

        Raises:
            ApiUnreachableError: The connection broke.
        """
        query = [("container", container), ("timestamps", "true")]
        query += [("follow", "true")] if follow else []
        query += [("sinceTime", since)] if since else []
        answer = self._ask(
            # The generated method knows no `sinceTime`.
            self._streams.call_api,
            "/api/v1/namespaces/{namespace}/pods/{name}/log",
            "GET",
            {"namespace": self.namespace, "name": pod},
            query,
            {"Accept": "*/*"},
            auth_settings=["BearerToken"],
            _return_http_data_only=True,
            _preload_content=False,
            _request_timeout=(_CONNECT_S, silence_s),
            namespaced=False,
        )
        yield from _chunks(answer)

    def attach_input(self, pod: str, container: str) -> Attached:
        """Return the standard input of a container that runs, over a connection of its own."""
        # `stream` changes the client that it is given for as long as it runs.
        client = kubernetes.client.ApiClient(self._configuration)
        try:
            socket = self._ask(
                kubernetes.stream.stream,
                kubernetes.client.CoreV1Api(client).connect_get_namespaced_pod_attach,
                pod,
                self.namespace,
                container=container,
                stdin=True,
                stdout=False,
                stderr=False,
                tty=False,
                _preload_content=False,
                namespaced=False,
                is_urgent=True,
            )
        finally:
            client.close()
        return Attached(socket)

    def _pod(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Pod:
        answer = self._ask(call, *arguments, _preload_content=False, **options)
        return msgspec.json.decode(answer.data, type=Pod)

    def _if_there(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> None:
        try:
            self._ask(call, *arguments, _preload_content=False, **options)
        except ApiRefusedError as error:
            # A conflict: the one that is there now is another one.
            if error.code not in (NOT_FOUND, CONFLICT):
                raise

    def _ask(
        self,
        call: Callable[..., Any],
        *arguments: Any,
        namespaced: bool = True,
        is_urgent: bool = False,
        **options: Any,
    ) -> Any:
        # What all workers live by, the watch and the leases, waits for none of them.
        self._rate.wait(is_urgent=is_urgent)
        if namespaced:
            options["namespace"] = self.namespace
            options.setdefault("_request_timeout", (_CONNECT_S, _ANSWER_S))
            if arguments:
                options["name"], *rest = arguments
                arguments = tuple(rest)
        try:
            return call(*arguments, **options)
        except ApiException as error:
            raise _ours(error) from error
        except AttributeError as error:
            # Of a connection that is refused, the library wants to decode a body that is not there.
            refusal = error.__context__
            raise (_ours(refusal) if isinstance(refusal, ApiException) else error) from error
        except _CONNECTION_ERRORS as error:
            raise ApiUnreachableError(str(error)) from error


def owner_reference(pod: Pod) -> dict[str, Any]:
    """Return what makes something be removed with a pod."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": pod.metadata.name,
        "uid": pod.metadata.uid,
    }


_KINDS: dict[str, Any] = {
    "container_config": models.V1Container,
    "pod_spec_config": models.V1PodSpec,
    "pod_template_spec_metadata": models.V1ObjectMeta,
}


def checked_config(part: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return raw settings in the API's own spelling, without what the API does not know.

    Args:
        part: `container_config`, `pod_spec_config` or `pod_template_spec_metadata`.
        given: In the spelling of Python's client or of the API.

    Raises:
        ValueError: There is something that the API does not know, or a value is of a wrong kind.
    """
    kind = _KINDS[part]
    # A container needs a name, and a pod containers, which are ours to give.
    required: dict[str, Any] = {}
    if kind is models.V1Container:
        required = {"name": "-"}
    elif kind is models.V1PodSpec:
        required = {"containers": [{"name": "-"}]}
    try:
        snake = dict(k8s_snake_case_dict(kind, given))
        model = k8s_model_from_dict(kind, {**required, **snake})
    except Exception as error:  # dagster-k8s raises no kind of its own
        raise ValueError(str(error)) from error
    serialized = kubernetes.client.ApiClient.sanitize_for_serialization
    client = kubernetes.client.ApiClient.__new__(kubernetes.client.ApiClient)
    found: dict[str, Any] = serialized(client, model)
    for key in required.keys() - snake.keys():
        del found[key]
    return found


def _chunks(answer: Any) -> Iterator[bytes]:
    try:
        yield from answer.stream(_CHUNK_BYTES, decode_content=False)
    except _CONNECTION_ERRORS as error:
        raise ApiUnreachableError(str(error)) from error
    finally:
        answer.close()


def _changes(answer: Any) -> Iterator[tuple[str, Pod]]:
    for line in _lines(answer):
        change = msgspec.json.decode(line, type=Change)
        if change.type == "ERROR":
            failure = msgspec.json.decode(change.object, type=Failure)
            raise ApiRefusedError(failure.code, failure.message or failure.reason or "")
        yield change.type, msgspec.json.decode(change.object, type=Pod)


def _lines(answer: Any) -> Iterator[bytes]:
    rest = b""
    for chunk in _chunks(answer):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line for line in lines if line.strip())


def _ours(error: ApiException) -> ApiRefusedError | ApiUnreachableError:
    # Of a connection that is refused, the library has put all that it knows into one long reason.
    handshake = error.__context__
    code = error.status or getattr(handshake, "status_code", 0)
    words = _words_of(
        error.body or getattr(handshake, "resp_body", None), str(error.reason or error)
    )
    if not code or code in _TRIED_AGAIN:
        return ApiUnreachableError(words)
    return ApiRefusedError(code, words)


def _words_of(body: Any, reason: str) -> str:
    with suppress(msgspec.MsgspecError, TypeError):
        found = msgspec.json.decode(body, type=Failure)
        if found.message:
            return found.message.rstrip(".")
    return str(body or reason).strip().rstrip(".")
