"""The part of the Kubernetes API that deals with pods, as a server that keeps objects in memory.

kmock reads requests and writes errors as Kubernetes does; here are the objects with their versions,
watches that can be resumed or are told 410, graceful deletion, owners, logs and attachments. Pods are
validated against the schema of a Kubernetes version. What runs their containers is `kubelet`.

`/_double/…` is for tests: requests that fail, watches that break, pods that something happens to.
"""

from __future__ import annotations

import asyncio
import copy
import json
import re
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timezone

import aiohttp.web
import kmock
import kubernetes_validate
from kubelet import Kubelet

KUBERNETES_VERSION = "1.33"
_KINDS = {"pods": "Pod", "configmaps": "ConfigMap", "secrets": "Secret", "events": "Event"}
_RESOURCES = {
    "apiVersion": "v1",
    "kind": "APIResourceList",
    "groupVersion": "v1",
    "resources": [
        {
            "name": plural,
            "singularName": kind.lower(),
            "namespaced": True,
            "kind": kind,
            "verbs": ["create", "delete", "get", "list", "patch", "watch"],
        }
        for plural, kind in _KINDS.items()
    ],
}
"""What `kubectl` asks for before anything else."""
_TRUE = ("true", "True", "1")
_REASONS = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "AlreadyExists",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
}


def now() -> str:
    """Return the time as Kubernetes writes it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def refuse(code: int, message: str, reason: str | None = None) -> kmock.KubernetesError:
    """Return what makes a request fail."""
    return kmock.KubernetesError(status=code, reason=reason or _REASONS.get(code), message=message)


def _refuse_unknown_volumes(pod: dict) -> None:
    """Refuse a pod that mounts a volume which it does not have; the schema knows nothing of that."""
    known = {each["name"] for each in pod["spec"].get("volumes", [])}
    for number, container in enumerate(pod["spec"]["containers"]):
        for at, mount in enumerate(container.get("volumeMounts", [])):
            if mount["name"] not in known:
                place = f"spec.containers[{number}].volumeMounts[{at}].name"
                words = f'{place}: Not found: "{mount["name"]}"'
                raise refuse(422, f'Pod "{pod["metadata"]["name"]}" is invalid: {words}')


class ApiServer(kmock.KubernetesScaffold):
    """Serves objects of any namespace.

    Args:
        make_kubelet: Makes what runs the pods of a server.
    """

    def __init__(self, make_kubelet: Callable[[ApiServer], Kubelet] = Kubelet) -> None:
        super().__init__()
        self.version = 100
        self.objects: dict[tuple[str, str, str], dict] = {}
        self.history: list[tuple[int, str, str, dict]] = []
        self.forgotten = 0
        """Versions up to this one are answered with 410."""
        self.changed = asyncio.Condition()
        self.epoch = 0
        """Every open watch and log ends when it changes."""
        self.faults: list[dict] = []
        self.calls: Counter[str] = Counter()
        self.late_s = 0.0
        self.kubelet = make_kubelet(self)

    # Objects

    def find(self, plural: str, namespace: str, name: str) -> dict | None:
        """Return an object."""
        return self.objects.get((plural, namespace, name))

    def store(self, plural: str, kind: str, obj: dict) -> dict:
        """Keep an object in its new state, and let watches tell it."""
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        key = (plural, obj["metadata"]["namespace"], obj["metadata"]["name"])
        if kind == "DELETED":
            self.objects.pop(key, None)
            self._remove_owned(obj)
        else:
            self.objects[key] = obj
        self.history.append((self.version, kind, plural, copy.deepcopy(obj)))
        asyncio.get_running_loop().create_task(self._notify())
        return obj

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    def _remove_owned(self, owner: dict) -> None:
        for (plural, _, _), obj in list(self.objects.items()):
            owners = obj["metadata"].get("ownerReferences", [])
            if any(each["uid"] == owner["metadata"]["uid"] for each in owners):
                if plural == "pods":
                    self.kubelet.end(obj, 0)
                else:
                    self.store(plural, "DELETED", obj)

    def set_status(self, pod: dict, **status) -> None:
        """Change a pod's status, if it is still there."""
        there = self.find("pods", pod["metadata"]["namespace"], pod["metadata"]["name"])
        if there is not None and there["metadata"]["uid"] == pod["metadata"]["uid"]:
            there["status"] = {**there.get("status", {}), **status}
            self.store("pods", "MODIFIED", there)

    def is_there(self, pod: dict) -> bool:
        """Tell whether a pod is still known."""
        there = self.find("pods", pod["metadata"]["namespace"], pod["metadata"]["name"])
        return there is not None and there["metadata"]["uid"] == pod["metadata"]["uid"]

    def warn(self, pod: dict, reason: str, message: str) -> None:
        """Note an event of a pod."""
        namespace, name = pod["metadata"]["namespace"], f"event-{uuid.uuid4().hex[:10]}"
        event = {
            "metadata": {"name": name, "namespace": namespace, "uid": uuid.uuid4().hex},
            "involvedObject": {"kind": "Pod", "uid": pod["metadata"]["uid"]},
            "type": "Warning",
            "reason": reason,
            "message": message,
            "lastTimestamp": now(),
        }
        self.store("events", "ADDED", event)

    # Requests

    async def _handle(self, request):
        path = request.url.path
        if path.startswith("/_double/"):
            return await self._control(path.removeprefix("/_double/"), request)
        kind = request.subresource or (request.action.value if request.action else "other")
        self.calls[f"{kind} {request.resource.plural if request.resource else path}"] += 1
        for fault in self.faults:
            if self._applies(fault, request):
                return self._fail(fault, request)
        if path == "/api/v1":
            return self._answer(_RESOURCES)
        if request.resource is not None and request.resource.plural in _KINDS:
            # Past kmock's own answers: for each it looks through all requests that there have been.
            return await self._serve(request)
        return await super()._handle(request)

    def _applies(self, fault: dict, request) -> bool:
        if fault["times"] == 0 or not re.search(fault["path"], str(request.url)):
            return False
        if fault["method"] not in ("", request.method.value.upper()):
            return False
        fault["times"] -= 1
        return True

    def _fail(self, fault: dict, request):
        if fault.get("after"):  # done all the same, but nobody learns of it
            asyncio.get_running_loop().create_task(self._serve(request))
        if fault["status"] == 0:
            request._raw_request.transport.close()
            return aiohttp.web.Response()
        body = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "code": fault["status"],
            "reason": _REASONS.get(fault["status"], ""),
            "message": fault.get("message") or "the double was told to fail",
        }
        return aiohttp.web.json_response(
            body, status=fault["status"], headers=fault.get("headers") or {}
        )

    async def _serve(self, request):
        plural, namespace = request.resource.plural, request.namespace
        if request.name is None:
            if request.method.value.lower() == "post":
                return self._answer(self._create(plural, namespace, request.data), 201)
            if request.params.get("watch") in _TRUE:
                return await self._watch(plural, namespace, request)
            return self._list(plural, namespace, request.params)
        found = self.find(plural, namespace, request.name)
        if found is None:
            raise refuse(404, f'{plural} "{request.name}" not found')
        if request.subresource == "log":
            return await self._log(found, request)
        if request.subresource == "attach":
            return await self._attach(found, request)
        method = request.method.value.lower()
        if method == "patch":
            found["metadata"] = {**found["metadata"], **request.data.get("metadata", {})}
            return self._answer(self.store(plural, "MODIFIED", found))
        if method == "delete":
            return self._answer(self._delete(plural, found, request.data or {}, request.params))
        return self._answer(found)

    def _answer(self, obj: dict, status: int = 200):
        return aiohttp.web.json_response(obj, status=status)

    def _create(self, plural: str, namespace: str, given: dict) -> dict:
        body = {"apiVersion": "v1", "kind": _KINDS[plural], **given}  # its path says so as well
        try:
            kubernetes_validate.validate(body, KUBERNETES_VERSION, strict=True)
        except kubernetes_validate.ValidationError as error:
            raise refuse(422, f"{body['kind']} is invalid: {error.message}") from error
        if plural == "pods":
            _refuse_unknown_volumes(body)
        name = body["metadata"]["name"]
        if self.find(plural, namespace, name) is not None:
            raise refuse(409, f'{plural} "{name}" already exists')
        body["metadata"] |= {
            "namespace": namespace,
            "uid": str(uuid.uuid4()),
            "creationTimestamp": now(),
        }
        if plural == "pods":
            body["status"] = {"phase": "Pending"}
        created = copy.deepcopy(self.store(plural, "ADDED", body))
        if plural == "pods":
            self.kubelet.begin(body)
        return created

    def _delete(self, plural: str, found: dict, options: dict, params: dict) -> dict:
        uid = (options.get("preconditions") or {}).get("uid")
        if uid and uid != found["metadata"]["uid"]:
            words = "the UID in the precondition does not match the UID in record"
            raise refuse(409, words, "Conflict")
        if plural != "pods":
            return self.store(plural, "DELETED", found)
        grace = options.get("gracePeriodSeconds", params.get("gracePeriodSeconds"))
        if grace is None:
            grace = found["spec"].get("terminationGracePeriodSeconds", 30)
        self.kubelet.end(found, int(grace))
        return found

    def _list(self, plural: str, namespace: str, params: dict):
        items = [
            obj
            for (kind, where, _), obj in self.objects.items()
            if kind == plural and where == namespace and self._is_meant(obj, params)
        ]
        return self._answer(
            {
                "kind": f"{_KINDS[plural]}List",
                "apiVersion": "v1",
                "metadata": {"resourceVersion": str(self.version)},
                "items": items,
            }
        )

    def _is_meant(self, obj: dict, params: dict) -> bool:
        labels = obj["metadata"].get("labels") or {}
        for each in filter(None, params.get("labelSelector", "").split(",")):
            key, equals, value = each.partition("=")
            if key not in labels or (equals and labels[key] != value):
                return False
        for each in filter(None, params.get("fieldSelector", "").split(",")):
            key, _, value = each.partition("=")
            at = obj
            for part in key.split("."):
                at = at.get(part, {})
            if at != value:
                return False
        return True

    async def _watch(self, plural: str, namespace: str, request):
        response = aiohttp.web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request._raw_request)
        since = int(request.params.get("resourceVersion") or self.version)
        deadline = asyncio.get_running_loop().time() + float(
            request.params.get("timeoutSeconds", 300)
        )
        epoch = self.epoch

        async def send(kind: str, obj: dict) -> None:
            await response.write(json.dumps({"type": kind, "object": obj}).encode() + b"\n")

        if since < self.forgotten:
            status = {"kind": "Status", "code": 410, "reason": "Expired"}
            await send("ERROR", {**status, "message": f"too old resource version: {since}"})
            return response
        while self.epoch == epoch and (left_s := deadline - asyncio.get_running_loop().time()) > 0:
            due = [each for each in self.history if each[0] > since]
            if due and self.late_s:
                await asyncio.sleep(self.late_s)
            for version, kind, of, obj in due:
                since = version
                ours = of == plural and obj["metadata"]["namespace"] == namespace
                if ours and self._is_meant(obj, request.params):
                    await send(kind, obj)
            async with self.changed:
                if self.history[-1:] and self.history[-1][0] > since:
                    continue
                try:
                    await asyncio.wait_for(self.changed.wait(), min(left_s, 5))
                except TimeoutError:
                    meta = {"resourceVersion": str(since)}
                    await send("BOOKMARK", {"kind": "Pod", "metadata": meta})
        if self.epoch != epoch:
            request._raw_request.transport.close()
        return response

    async def _log(self, pod: dict, request):
        name = request.params.get("container") or ""
        log = self.kubelet.log_of(pod, name)
        if log is None:
            raise refuse(400, f'container "{name}" in pod is waiting to start: ContainerCreating')
        response = aiohttp.web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(request._raw_request)
        follow = request.params.get("follow") in _TRUE
        since = request.params.get("sinceTime", "")
        epoch = self.epoch
        async for data in log.read(since, follow=follow, is_cut=lambda: self.epoch != epoch):
            await response.write(data)
        if self.epoch != epoch:
            request._raw_request.transport.close()
        return response

    async def _attach(self, pod: dict, request):
        socket = aiohttp.web.WebSocketResponse(protocols=["v5.channel.k8s.io", "v4.channel.k8s.io"])
        await socket.prepare(request._raw_request)
        epoch = self.epoch
        while self.epoch == epoch:
            try:
                message = await socket.receive(timeout=0.5)
            except TimeoutError:
                continue
            if message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT):
                data = message.data if isinstance(message.data, bytes) else message.data.encode()
                if data[:1] == b"\0" and data[1:]:
                    self.kubelet.write_input(pod, request.params["container"], data[1:])
            else:
                break
        await socket.close()
        return socket

    # What tests ask for

    async def _control(self, what: str, request):
        data = request.data or {}
        if what == "faults":
            self.faults = [{"method": "", "path": "", "times": -1, **each} for each in data["list"]]
        elif what == "break":  # as an API server that starts anew
            self.epoch += 1
            await self._notify()
        elif what == "forget":  # the history is compacted
            self.forgotten = self.version + 1
            self.history = []
            self.version += 1
        elif what == "late":
            self.late_s = data["seconds"]
        elif what == "calls":
            return aiohttp.web.json_response(self.calls)
        elif what == "pods":
            return self._list("pods", data["namespace"], data)
        else:
            await self.kubelet.befall(what, data)
        return aiohttp.web.json_response({})
