"""What stands in for scheduler and kubelet: pods become containers of the Docker engine here.

One node, of some size and with some labels. Images, exit codes, kills for want of memory, signals and
output are the engine's; statuses, reasons and log lines are told as Kubernetes tells them.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path

import docker.errors
import docker.types
import docker.utils.socket

import docker

NODE = {"cpu": 64.0, "memory": 64 * 2**30, "labels": {"kubernetes.io/os": "linux"}}
_LINE_BYTES = 16 * 1024
_LEAST_GRACE_S = 2
_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "m": 1e-3, "": 1}


def quantity(text: str) -> float:
    """Return a quantity as a number."""
    for unit, factor in _UNITS.items():
        if unit and text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    return float(text)


def stamp(ns: int) -> bytes:
    """Return a time to the nanosecond, as log lines have it."""
    second = datetime.fromtimestamp(ns // 10**9, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{second}.{ns % 10**9:09d}Z".encode()


class Log:
    """What a container has written, as a runtime keeps it: pieces of at most 16 KiB, with times."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pieces: list[tuple[bytes, bytes]] = []
        self._first = 0
        self._partial = {1: b"", 2: b""}
        self._ended = False
        self._changed = asyncio.Condition()

    def write(self, stream: int, data: bytes) -> None:
        """Take what came; called by the thread that reads it."""
        *lines, rest = (self._partial[stream] + data).split(b"\n")
        pieces = [line + b"\n" for line in lines]
        while len(rest) >= _LINE_BYTES:
            pieces.append(rest[:_LINE_BYTES])
            rest = rest[_LINE_BYTES:]
        self._partial[stream] = rest
        self._add(pieces)

    def end(self) -> None:
        """Keep what has no line break."""
        self._add([rest for rest in self._partial.values() if rest])
        self._ended = True
        self._loop.call_soon_threadsafe(lambda: self._loop.create_task(self._notify()))

    def _add(self, pieces: list[bytes]) -> None:
        if pieces:
            self._pieces += [(stamp(time.time_ns()), piece) for piece in pieces]
            self._loop.call_soon_threadsafe(lambda: self._loop.create_task(self._notify()))

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def rotate(self) -> None:
        """Begin a new file: what came before cannot be had any more."""
        self._first = len(self._pieces)

    async def read(self, since: str, *, follow: bool, is_cut):
        """Yield what was written since some second; with `follow`, until the end."""
        at, is_line_new = self._first, True
        oldest = since.removesuffix("Z").encode()
        while not is_cut():
            chunk, ended = b"", self._ended
            for when, piece in self._pieces[at:]:
                at += 1
                if when >= oldest:
                    chunk += (when + b" " if is_line_new else b"") + piece
                    is_line_new = piece.endswith(b"\n")
                if len(chunk) > 2**18:
                    break
            if chunk:
                yield chunk
            elif at >= len(self._pieces) and (ended or not follow):
                return
            elif not chunk:
                async with self._changed:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._changed.wait(), 0.5)


class Kubelet:
    """Runs the pods of an API server."""

    def __init__(self, server) -> None:
        self._server = server
        self._threads = ThreadPoolExecutor(32)
        self._logs: dict[tuple[str, str], Log] = {}
        self._inputs: dict[tuple[str, str], object] = {}
        self._containers: dict[tuple[str, str], str] = {}
        self._folders: dict[str, Path] = {}
        self._tasks: dict[str, asyncio.Task] = {}
        self._endings: dict[str, asyncio.Task] = {}

    @cached_property
    def _docker(self) -> docker.DockerClient:
        return docker.from_env(timeout=60)

    def begin(self, pod: dict) -> None:
        """Run a pod."""
        task = asyncio.get_running_loop().create_task(self._run(pod))
        self._tasks[pod["metadata"]["uid"]] = task

    def end(self, pod: dict, grace_s: int) -> None:
        """Delete a pod; without grace, it is forgotten at once, and its node ends it soon."""
        uid = pod["metadata"]["uid"]
        if grace_s == 0 or "nodeName" not in pod["spec"]:
            self._server.store("pods", "DELETED", pod)
            asyncio.get_running_loop().create_task(self._stop(pod, _LEAST_GRACE_S))
            return
        if uid in self._endings:
            return
        pod["metadata"]["deletionTimestamp"] = datetime.now(timezone.utc).isoformat()
        pod["metadata"]["deletionGracePeriodSeconds"] = grace_s
        self._server.store("pods", "MODIFIED", pod)

        async def ending() -> None:
            await self._stop(pod, grace_s)
            if self._server.is_there(pod):
                self._server.store("pods", "DELETED", pod)

        self._endings[uid] = asyncio.get_running_loop().create_task(ending())

    def log_of(self, pod: dict, container: str) -> Log | None:
        """Return a container's log."""
        container = container or pod["spec"]["containers"][0]["name"]
        return self._logs.get((pod["metadata"]["uid"], container))

    def write_input(self, pod: dict, container: str, data: bytes) -> None:
        """Write to a container's standard input."""
        socket = self._inputs.get((pod["metadata"]["uid"], container))
        with suppress(OSError, AttributeError):
            getattr(socket, "_sock", socket).send(data)

    async def befall(self, what: str, data: dict) -> None:
        """Let something happen to a pod."""
        pod = self._server.find("pods", data["namespace"], data["name"])
        condition = {"type": "DisruptionTarget", "status": "True", "message": data.get("message")}
        if what == "evict":
            status = {"phase": "Failed", "reason": "Evicted", "message": data["message"]}
            await self._stop(pod, 0, tell=False)
            self._server.set_status(pod, **status, containerStatuses=[])
        elif what == "preempt":
            condition["reason"] = "PreemptionByScheduler"
            self._server.set_status(
                pod, conditions=[*pod["status"].get("conditions", []), condition]
            )
            self.end(pod, 1)
        elif what == "lose-node":
            condition["reason"] = "DeletionByTaintManager"
            pod["metadata"]["deletionTimestamp"] = datetime.now(timezone.utc).isoformat()
            self._server.set_status(
                pod,
                reason="NodeLost",
                conditions=[*pod["status"].get("conditions", []), condition],
            )
            self._tasks[pod["metadata"]["uid"]].cancel()
            await self._stop(pod, 0, tell=False)
        elif what == "rotate":
            self.log_of(pod, "").rotate()

    async def _do(self, call, *arguments, **options):
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: call(*arguments, **options))

    # One pod

    async def _run(self, pod: dict) -> None:
        if not await self._schedule(pod):
            return
        try:
            await self._wait_for_volumes(pod)
            deadline_s = pod["spec"].get("activeDeadlineSeconds")
            async with asyncio.timeout(deadline_s):
                await self._run_containers(pod)
        except TimeoutError:
            words = "Pod was active on the node longer than the specified deadline"
            await self._stop(pod, 1, tell=False)
            self._server.set_status(
                pod, phase="Failed", reason="DeadlineExceeded", message=words, containerStatuses=[]
            )

    async def _schedule(self, pod: dict) -> bool:
        spec = pod["spec"]
        reasons = []
        wanted = spec.get("nodeSelector", {})
        if any(NODE["labels"].get(key) != value for key, value in wanted.items()):
            reasons.append("1 node(s) didn't match Pod's node affinity/selector")
        for container in spec["containers"]:
            for name, asked in container.get("resources", {}).get("requests", {}).items():
                if quantity(asked) > NODE.get(name, 0):
                    reasons.append(f"1 Insufficient {name}")
        if reasons:
            message = f"0/1 nodes are available: {', '.join(reasons)}. preemption: not helpful."
            condition = {
                "type": "PodScheduled",
                "status": "False",
                "reason": "Unschedulable",
                "message": message,
            }
            self._server.set_status(pod, conditions=[condition])
            return False
        spec["nodeName"] = "node-1"
        statuses = [
            self._status(each, waiting={"reason": "ContainerCreating"})
            for each in spec["containers"]
        ]
        condition = {"type": "PodScheduled", "status": "True"}
        self._server.set_status(pod, conditions=[condition], containerStatuses=statuses)
        return True

    def _status(self, container: dict, **state) -> dict:
        return {
            "name": container["name"],
            "image": container["image"],
            "imageID": container["image"],
            "ready": "running" in state,
            "restartCount": 0,
            "state": state,
        }

    def _tell(self, pod: dict, container: dict, *, initial: bool = False, **state) -> None:
        kind = "initContainerStatuses" if initial else "containerStatuses"
        others = [each for each in pod["status"].get(kind, []) if each["name"] != container["name"]]
        self._server.set_status(pod, **{kind: [*others, self._status(container, **state)]})

    async def _wait_for_volumes(self, pod: dict) -> None:
        namespace = pod["metadata"]["namespace"]
        # One that no container mounts is passed over.
        mounts = [each for of in pod["spec"]["containers"] for each in of.get("volumeMounts", [])]
        mounted = {each["name"] for each in mounts}
        for volume in pod["spec"].get("volumes", []):
            if volume["name"] not in mounted:
                continue
            name = volume.get("configMap", {}).get("name")
            told = False
            while name and self._server.find("configmaps", namespace, name) is None:
                if not told:
                    said = (
                        f'MountVolume.SetUp failed for volume "{volume["name"]}" : '
                        f'configmap "{name}" not found'
                    )
                    self._server.warn(pod, "FailedMount", said)
                    told = True
                await asyncio.sleep(0.2)
                if not self._server.is_there(pod):
                    raise asyncio.CancelledError

    async def _run_containers(self, pod: dict) -> None:
        for container in pod["spec"].get("initContainers", []):
            if await self._run_container(pod, container, initial=True):
                self._server.set_status(pod, phase="Failed")
                return
        codes = await asyncio.gather(
            *(self._run_container(pod, each) for each in pod["spec"]["containers"])
        )
        self._server.set_status(pod, phase="Failed" if any(codes) else "Succeeded")

    async def _run_container(self, pod: dict, container: dict, *, initial: bool = False) -> int:
        key = (pod["metadata"]["uid"], container["name"])
        await self._pull(pod, container)
        await self._wait_for_sources(pod, container)
        loop = asyncio.get_running_loop()
        log = Log(loop)
        ended = asyncio.Event()
        try:
            made = await self._do(self._create, pod, container)
            self._containers[key] = made.id
            socket = await self._do(self._attach, made.id)
            self._inputs[key] = socket
            self._logs[key] = log
            thread = threading.Thread(
                target=self._copy,
                args=(socket, log, lambda: loop.call_soon_threadsafe(ended.set)),
                daemon=True,
            )
            thread.start()
            await self._do(made.start)
        except docker.errors.APIError as error:
            log.end()
            failed = {"exitCode": 128, "reason": "StartError", "message": str(error.explanation)}
            self._tell(pod, container, initial=initial, terminated=failed)
            return 128
        if not initial:
            self._server.set_status(pod, phase="Running")
        self._tell(
            pod, container, initial=initial, running={"startedAt": stamp(time.time_ns()).decode()}
        )
        await ended.wait()
        state = await self._do(self._wait, made.id)
        code = state["ExitCode"]
        reason = "OOMKilled" if state["OOMKilled"] and code else "Error" if code else "Completed"
        ended_at = stamp(time.time_ns()).decode()
        told = {"exitCode": code, "reason": reason, "finishedAt": ended_at}
        self._tell(pod, container, initial=initial, terminated=told)
        await self._do(self._remove, made.id)
        return code

    async def _pull(self, pod: dict, container: dict) -> None:
        image, policy = container["image"], container.get("imagePullPolicy", "IfNotPresent")

        async def wait(reason: str, message: str) -> None:
            self._tell(pod, container, waiting={"reason": reason, "message": message})
            await asyncio.sleep(0.5)

        while True:
            try:
                await self._do(self._docker.images.get, image)
                return
            except docker.errors.ImageNotFound:
                pass
            except docker.errors.APIError:
                await wait("InvalidImageName", f'Failed to apply default image tag "{image}"')
                continue
            if policy == "Never":
                said = f'Container image "{image}" is not present with pull policy of Never'
                await wait("ErrImageNeverPull", said)
                continue
            try:
                await self._do(self._docker.images.pull, image)
            except docker.errors.APIError as error:
                await wait("ErrImagePull", f"failed to pull and unpack image: {error.explanation}")
                await wait("ImagePullBackOff", f'Back-off pulling image "{image}"')

    async def _wait_for_sources(self, pod: dict, container: dict) -> None:
        namespace = pod["metadata"]["namespace"]
        wanted = [
            *(
                ("secrets", each["secretRef"]["name"])
                for each in container.get("envFrom", [])
                if "secretRef" in each
            ),
            *(
                ("configmaps", each["configMapRef"]["name"])
                for each in container.get("envFrom", [])
                if "configMapRef" in each
            ),
        ]
        for plural, name in wanted:
            while self._server.find(plural, namespace, name) is None:
                said = f'{plural.removesuffix("s")} "{name}" not found'
                waiting = {"reason": "CreateContainerConfigError", "message": said}
                self._tell(pod, container, waiting=waiting)
                await asyncio.sleep(0.5)

    def _create(self, pod: dict, container: dict):
        spec, uid = pod["spec"], pod["metadata"]["uid"]
        security = {**spec.get("securityContext", {}), **container.get("securityContext", {})}
        limits = container.get("resources", {}).get("limits", {})
        memory = int(quantity(limits["memory"])) if "memory" in limits else None
        return self._docker.containers.create(
            container["image"],
            name=f"k8s-{container['name']}-{uid}",
            labels={**pod["metadata"].get("labels", {}), "kubernetes-double": "pod"},
            entrypoint=container.get("command"),
            command=container.get("args"),
            environment=self._environment(pod, container),
            working_dir=container.get("workingDir"),
            user=str(security["runAsUser"]) if "runAsUser" in security else None,
            read_only=security.get("readOnlyRootFilesystem", False),
            stdin_open=container.get("stdin", False),
            mem_limit=memory,
            memswap_limit=memory,
            nano_cpus=int(quantity(limits["cpu"]) * 1e9) if "cpu" in limits else None,
            mounts=self._mounts(pod, container),
        )

    def _environment(self, pod: dict, container: dict) -> dict[str, str]:
        namespace = pod["metadata"]["namespace"]
        found: dict[str, str] = {}
        for each in container.get("envFrom", []):
            if "configMapRef" in each:
                name = each["configMapRef"]["name"]
                found |= self._server.find("configmaps", namespace, name)["data"]
            else:
                name = each["secretRef"]["name"]
                found |= self._server.find("secrets", namespace, name)["stringData"]
        return {
            **found,
            **{each["name"]: each.get("value", "") for each in container.get("env", [])},
        }

    def _mounts(self, pod: dict, container: dict) -> list[docker.types.Mount]:
        volumes = {each["name"]: each for each in pod["spec"].get("volumes", [])}
        mounts = []
        for each in container.get("volumeMounts", []):
            volume, path = volumes[each["name"]], each["mountPath"]
            options = {"read_only": each.get("readOnly", False)}
            if "hostPath" in volume:
                source = volume["hostPath"]["path"]
                mounts.append(docker.types.Mount(path, source, type="bind", **options))
            elif "configMap" in volume:
                source = str(self._written(pod, volume["configMap"]["name"]))
                mounts.append(docker.types.Mount(path, source, type="bind", read_only=True))
            else:
                mounts.append(docker.types.Mount(path, None, type="tmpfs"))
        return mounts

    def _written(self, pod: dict, name: str) -> Path:
        folder = self._folders.setdefault(
            pod["metadata"]["uid"], Path(tempfile.mkdtemp(prefix="kubernetes-double-"))
        )
        folder.chmod(0o755)
        data = self._server.find("configmaps", pod["metadata"]["namespace"], name)["data"]
        for file, content in data.items():
            (folder / file).write_text(content)
        return folder

    def _attach(self, container: str):
        wanted = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        connection = self._docker.api.attach_socket(container, params=wanted)
        getattr(connection, "_sock", connection).settimeout(None)
        return connection

    def _copy(self, socket, log: Log, ended) -> None:
        with suppress(OSError, ValueError):
            for stream, data in docker.utils.socket.frames_iter(socket, tty=False):
                log.write(stream, data)
        log.end()
        ended()

    def _wait(self, container: str) -> dict:
        try:
            self._docker.api.wait(container)
            return self._docker.api.inspect_container(container)["State"]
        except docker.errors.NotFound:
            return {"ExitCode": 137, "OOMKilled": False}

    def _remove(self, container: str) -> None:
        with suppress(docker.errors.APIError):
            self._docker.api.remove_container(container, force=True, v=True)

    async def _stop(self, pod: dict, grace_s: int, *, tell: bool = True) -> None:
        """End a pod's containers, with some grace, and see that their end is told."""
        uid = pod["metadata"]["uid"]
        task = self._tasks.get(uid)
        if not tell or grace_s == 0:
            if task is not None and task is not asyncio.current_task():
                task.cancel()
        ours = [each for (of, _), each in self._containers.items() if of == uid]
        if grace_s:
            for each in ours:
                with suppress(docker.errors.APIError):
                    await self._do(self._docker.api.kill, each, "SIGTERM")
            if task is not None and task is not asyncio.current_task():
                await asyncio.wait([task], timeout=grace_s)
        for each in ours:
            with suppress(docker.errors.APIError):
                await self._do(self._docker.api.kill, each, "SIGKILL")
        if grace_s and tell and task is not None:
            await asyncio.wait([task], timeout=10)
        for each in ours:
            await self._do(self._remove, each)
        shutil.rmtree(self._folders.pop(uid, "/no/such/folder"), ignore_errors=True)
