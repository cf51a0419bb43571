"""Workers through a Pipes client that is not ours: Dagster's own for ECS, EMR, Databricks and others.

What its reader reads is taken before Dagster sees it, so that our numbering says whether all of it has
come; what its injector injects is the worker's own context. Knows no client in particular.
Annotations are not postponed here, since Dagster's resource classes read them.
"""

import copy
import ctypes
import json
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Any, TypeVar

import dagster as dg
from dagster_pipes import PipesMessage, PipesParams

from dagster_kedro.clients.base import KedroClient, OutputLine, Worker, WorkerExit, WorkerLaunch
from dagster_kedro.errors import WorkerNotStartedError

_Injector = TypeVar("_Injector", bound=dg.PipesContextInjector)
_Reader = TypeVar("_Reader", bound=dg.PipesMessageReader)

_POLL_S = 0.05
_FORWARDED = ("opened", "closed")
"""Methods that Dagster's session wants to see, or it warns that nobody has spoken."""


class StockLaunch:
    """What a function needs to run one worker through some Pipes client.

    Args:
        launch: What is to be run.
    """

    def __init__(self, launch: WorkerLaunch) -> None:
        if launch.step_context is None:
            raise WorkerNotStartedError(
                f"Cannot start a worker for group '{launch.group}': a Pipes client wants the context "
                "of a step."
            )
        self.context: dg.AssetExecutionContext = launch.step_context
        """The step's, for `run(context=…)` of the client."""
        self.group: str = launch.group
        """Name of the group, for names and labels."""
        self.extras: dict[str, Any] = dict(launch.context_data["extras"] or {})
        """For `run(extras=…)`."""
        self.env: Mapping[str, str] = launch.overrides.env
        """Variables that the group and the run set."""
        self.lines: SimpleQueue[bytes] = SimpleQueue()
        self.endings: list[Callable[[], object]] = []
        self._data = launch.context_data

    def injector(self, inner: _Injector) -> _Injector:
        """Return a context injector that injects this worker's context instead of the step's."""
        ours = copy.copy(inner)

        @contextmanager
        def inject_context(_: Any) -> Iterator[PipesParams]:
            with inner.inject_context(self._data) as params:  # type: ignore[arg-type]
                yield params

        ours.inject_context = inject_context  # type: ignore[assignment, method-assign]
        return ours

    def reader(self, inner: _Reader) -> _Reader:
        """Return a message reader that hands its messages to our side, number and all."""
        ours = copy.copy(inner)
        read_messages = ours.read_messages

        def read(handler: dg.PipesMessageHandler) -> Any:
            return read_messages(_Tap(handler, self.lines))  # type: ignore[arg-type]

        ours.read_messages = read  # type: ignore[method-assign]
        return ours

    def on_stop(self, end: Callable[[], object]) -> None:
        """Have something done that ends the worker when it is to be stopped, such as `stop_task`."""
        self.endings.append(end)


RunStock = Callable[[StockLaunch], object]
"""Runs one worker to its end, and raises if the place says that it has failed."""


class _Tap:
    """Stands for a message handler: takes the messages away from it."""

    def __init__(self, handler: dg.PipesMessageHandler, lines: SimpleQueue[bytes]) -> None:
        self._handler = handler
        self._lines = lines

    def handle_message(self, message: PipesMessage) -> None:
        self._lines.put(json.dumps(message).encode())
        if message["method"] in _FORWARDED:
            self._handler.handle_message(message)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handler, name)


class KedroStockClient(KedroClient):
    """Runs each worker through a Pipes client that somebody else has written.

    Example:
        >>> def on_ecs(launch):
        ...     client = PipesECSClient(
        ...         context_injector=launch.injector(PipesS3ContextInjector(bucket="b", client=s3)),
        ...         message_reader=launch.reader(PipesS3MessageReader(bucket="b", client=s3)),
        ...     )
        ...     client.run(context=launch.context, extras=launch.extras, run_task_params={...})
        >>> client = KedroStockClient.calling(on_ecs)
    """

    run: dg.ResourceDependency[RunStock]
    grace_s: float = 30.0
    """Seconds that a client has to end its worker when that is to be stopped."""

    @classmethod
    def calling(cls, run: RunStock, *, grace_s: float = 30.0) -> "KedroStockClient":
        """Return a client that calls a function for each worker."""
        return cls(run=run, grace_s=grace_s)

    def overridable(self) -> frozenset[str]:
        """Return variables: the function gets them."""
        return frozenset({"env"})

    @contextmanager
    def launch(self, launch: WorkerLaunch) -> Iterator[Worker]:
        """Call the function in a thread of its own; on leaving, it has returned or been told to."""
        if launch.command is not None:
            raise WorkerNotStartedError(
                f"Cannot start '{launch.command[0]}' for '{launch.group}': what is run through a "
                "Pipes client of somebody else is that one's to say. Call the client itself."
            )
        worker = StockWorker(StockLaunch(launch), self.run, self.grace_s)
        try:
            yield worker
        finally:
            worker.stop()


class StockWorker:
    """A call of such a function, seen as a worker.

    Args:
        launch: Its argument.
        run: The function.
        grace_s: Seconds that it has to return when it is to be stopped.
    """

    def __init__(self, launch: StockLaunch, run: RunStock, grace_s: float) -> None:
        self._launch = launch
        self._run = run
        self._grace_s = grace_s
        self._stopped = False
        self._error: BaseException | None = None
        self._has_returned = threading.Event()
        self._thread = threading.Thread(
            target=self._call, name=f"kedro-stock-{launch.group}", daemon=True
        )
        self._thread.start()

    def _call(self) -> None:
        try:
            self._run(self._launch)
        except BaseException as error:  # noqa: BLE001 - told as the worker's end
            self._error = error
        self._has_returned.set()

    @property
    def place(self) -> str:
        """Where it runs, as far as that is known here."""
        return f"a Pipes client ({getattr(self._run, '__name__', type(self._run).__name__)})"

    def poll(self) -> WorkerExit | None:
        """Return how it ended; all that is known is whether the client was content."""
        if not self._has_returned.is_set():
            return None
        if self._stopped:
            return WorkerExit(stopped=True)
        if self._error is None:
            return WorkerExit(code=0)
        return WorkerExit(failed=f"{type(self._error).__name__}: {self._error}")

    def read_lines(self) -> list[bytes]:
        """Return the messages that have come."""
        found = []
        while not self._launch.lines.empty():
            found.append(self._launch.lines.get())
        return found

    def read_rest(self) -> list[bytes]:
        """Return what is left: the client's reader has read all when it returns."""
        return self.read_lines()

    def read_output(self) -> list[OutputLine]:
        """Return nothing: the client forwards output in its own way."""
        return []

    def last_output(self) -> list[str]:
        """Return where the client has failed."""
        if self._error is None:
            return []
        lines = traceback.format_exception(self._error)
        return "".join(lines).rstrip().splitlines()[-10:]

    def stop(self) -> None:
        """Interrupt the client as Dagster does, upon which Dagster's own end what they have started."""
        if self._has_returned.is_set():
            return
        self._stopped = True
        for end in self._launch.endings:
            with suppress(Exception):  # of any library; the interrupt may do
                end()
        deadline = time.monotonic() + self._grace_s
        # Raised when its thread is between two steps of Python; documented for just this.
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(self._thread.ident or 0),
            ctypes.py_object(dg.DagsterExecutionInterruptedError),
        )
        while not self._has_returned.is_set() and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        self._has_returned.set()
