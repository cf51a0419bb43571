"""A config loader that reads JSON files."""

import json
from datetime import date
from pathlib import Path

from kedro.config import AbstractConfigLoader, MissingConfigException


def with_dates(found):
    """Return a date for `{"date": …}`: parameters may be what YAML has no word for."""
    return date.fromisoformat(found["date"]) if found.keys() == {"date"} else found


class JsonConfigLoader(AbstractConfigLoader):
    """Reads `<key>.json` of the base environment, and of the run's over it."""

    def __init__(self, conf_source, env=None, runtime_params=None, *, base_env="base"):
        super().__init__(conf_source, env, runtime_params)
        self._folders = [Path(conf_source) / name for name in (base_env, env) if name]

    def __getitem__(self, key):
        """Return what was set, else what the files hold."""
        if key in self.data:
            return self.data[key]
        files = [folder / f"{key}.json" for folder in self._folders]
        found = [
            json.loads(file.read_text(), object_hook=with_dates) for file in files if file.is_file()
        ]
        if not found:
            raise MissingConfigException(f"no {key}.json in {self.conf_source}")
        merged = {name: value for config in found for name, value in config.items()}
        return merged | (self.runtime_params if key == "parameters" else {})
