"""What a worker's process needs before Kedro is imported.

Kedro applies its logging configuration and its telemetry plugin at import, so both are
settled through environment variables first. Must not import kedro.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

KEEP_TELEMETRY = "KEDRO_PIPES_TELEMETRY"
"""Set to 1 to let plugins send telemetry from workers."""
_TELEMETRY_PLUGIN = "kedro-telemetry"
_TELEMETRY_OFF = ("KEDRO_DISABLE_TELEMETRY", "DO_NOT_TRACK")
"""With either of these, that plugin does nothing at all."""


def prepare_environment(project_path: Path) -> None:
    """Set what is not set yet: plain logging, and no telemetry."""
    logging_config = os.environ.get("KEDRO_LOGGING_CONFIG")
    if not logging_config and not _has_logging_config(project_path):
        os.environ["KEDRO_LOGGING_CONFIG"] = str(Path(__file__).with_name("worker_logging.yml"))
    if os.environ.get(KEEP_TELEMETRY) != "1":
        for variable in _TELEMETRY_OFF:
            os.environ.setdefault(variable, "1")
    # Kedro's own use of OmegaConf, four times a start: nothing a user could act on.
    warnings.filterwarnings("ignore", message=r"register_new_resolver\(\) is deprecated")


def idle_plugins() -> list[str]:
    """Return the plugins that would do nothing in this process but take time to import."""
    return [_TELEMETRY_PLUGIN] if any(map(os.environ.get, _TELEMETRY_OFF)) else []


def _has_logging_config(project_path: Path) -> bool:
    return any((project_path / "conf" / f"logging.{end}").is_file() for end in ("yml", "yaml"))
