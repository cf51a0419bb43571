"""What is told in the run's log: `logs`."""

from __future__ import annotations

from typing import Literal

import msgspec

RecordLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
ToldAt = Literal["debug", "info", "none"]
DatasetsTold = Literal["slow", "debug", "info", "none"]


class Logs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`logs:` what workers say, and what of it reaches the run's log."""

    level: RecordLevel | None = None
    """Lowest level of the nodes' log records that reach Dagster; a run or a job may say another.
    One that the project's own logging does not make is turned on there. Default: `INFO`, as far as
    the project makes it; `WARNING` of Kedro itself (logger `kedro`), whose progress is told by
    events, unless `levels` names it or `DEBUG` is asked for."""
    levels: dict[str, RecordLevel] = {}
    """The same by logger, of it and of those below it: `{sqlalchemy: WARNING, my_package: DEBUG}`."""
    output: ToldAt = "info"
    """At which level it is told what nodes print, and native code and subprocesses write. The
    step's own output has it anyway."""
    datasets: DatasetsTold = "slow"
    """At which level it is told that a dataset is being loaded, is loaded, is being saved, is
    saved; `slow` tells, as `debug`, what took a second or longer. Each line costs Dagster's
    database some milliseconds."""
