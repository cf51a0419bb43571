"""What `kedro pipes init` writes: texts with the names of the project that they are for.

Knows the manifest and two paths; writes nothing itself.
"""

from __future__ import annotations

import json
import os
import re
from importlib.resources import files
from pathlib import Path
from string import Template

import msgspec
from kedro_manifest.model import Manifest
from kedro_manifest.orchestration.schema import dagster_yml_schema
from kedro_manifest.planning.graph import inputs_of, outputs_of
from kedro_manifest.planning.selection import DEFAULT_PIPELINE

_PLAIN = re.compile(r"[A-Za-z_][\w.\-]*")
_YAML_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null"])
_FOUND_BY_DEFAULT = frozenset({".venv/bin", "venv/bin", ".venv/Scripts"})
"""Where `KedroProject` looks for an interpreter if none is named."""


def render_orchestration(manifest: Manifest, schema: str) -> str:
    """Return a `dagster.yml` whose examples name what the project has.

    Args:
        manifest: The project.
        schema: The JSON Schema for editors, as seen from the file.
    """
    names = _Names(manifest)
    values = {
        "schema": schema,
        "project": manifest.project.name,
        "pipeline": names.pipeline,
        "other_pipeline": names.other_pipeline,
        "node": names.node,
        "dataset": names.dataset,
        "free_input": names.free_input,
        "memory": names.memory,
        "tag_limits": f"#   tags: {{{_quoted(names.tag)}: 1}}\n" if names.tag else "",
    }
    quoted = {
        key: value if key in {"schema", "project", "tag_limits"} else _quoted(value)
        for key, value in values.items()
    }
    return _template("dagster.yml").substitute(quoted)


def render_definitions(manifest: Manifest, interpreter: str, env: str | None) -> str:
    """Return a `definitions.py` for the folder of the project.

    Args:
        manifest: The project.
        interpreter: Of the project's environment: absolute, relative to the project, or empty
            where it is found without being named.
        env: Kedro environment to name.
    """
    return _template("definitions.py").substitute(
        project=manifest.project.name,
        interpreter_comment=_explain_interpreter(interpreter),
        interpreter=_spell_interpreter(interpreter),
        env=f', env="{env}"' if env else "",
    )


def render_workspace(manifest: Manifest) -> str:
    """Return a `workspace.yaml` for the folder of the project."""
    return _template("workspace.yaml").substitute(location=_quoted(manifest.project.package_name))


def render_schema() -> str:
    """Return the JSON Schema of `dagster.yml`."""
    return msgspec.json.format(msgspec.json.encode(dagster_yml_schema())).decode() + "\n"


def locate_interpreter(executable: str, project: Path) -> str:
    """Return an interpreter as `definitions.py` had best name it.

    Its folder is resolved and its own link is not: a virtual environment is found through that.
    """
    path = Path(os.path.realpath(Path(executable).parent)) / Path(executable).name
    folder = project.resolve()
    if not path.is_relative_to(folder):
        return str(path)
    inside = path.relative_to(folder)
    return "" if inside.parent.as_posix() in _FOUND_BY_DEFAULT else inside.as_posix()


def _template(name: str) -> Template:
    folder = files("kedro_pipes") / "starter_files"
    return Template((folder / f"{name}.txt").read_text("utf-8"))


def _explain_interpreter(interpreter: str) -> str:
    lines = ["# The interpreter of the project's own environment, where Kedro is installed."]
    if not interpreter:
        lines.append("# Without KEDRO_PYTHON it is the one in `.venv` or `venv` here.")
    elif Path(interpreter).is_absolute():
        lines.append("# The one named here is this machine's: set KEDRO_PYTHON on others.")
    return "\n".join(lines)


def _spell_interpreter(interpreter: str) -> str:
    if not interpreter:
        return ""
    spelled = json.dumps(interpreter, ensure_ascii=False)
    return f" or {spelled}" if Path(interpreter).is_absolute() else f" or here / {spelled}"


def _quoted(name: str) -> str:
    """Return a name as YAML takes it for text."""
    plain = _PLAIN.fullmatch(name) and name.lower() not in _YAML_WORDS
    return name if plain else json.dumps(name, ensure_ascii=False)


class _Names:
    """Names of a project for examples; where it has none of a kind, one that could be."""

    def __init__(self, manifest: Manifest) -> None:
        nodes = {node.name: node for node in manifest.nodes}
        pipelines = {
            each.name: each.nodes
            for each in sorted(manifest.pipelines, key=lambda each: (len(each.nodes), each.name))
            if each.nodes and each.name != DEFAULT_PIPELINE
        }
        everything = [DEFAULT_PIPELINE]
        self.pipeline, *others = [*pipelines] or everything
        apart = [
            name for name in others if not set(pipelines[name]) & set(pipelines[self.pipeline])
        ]
        self.other_pipeline = next(iter([*apart, *others]), self.pipeline)
        inside = pipelines.get(self.other_pipeline) or sorted(nodes)
        self.node = next(iter(inside), "node_name")
        self.tag = next((tag for node in manifest.nodes for tag in node.tags), "")
        written = {name for node in manifest.nodes for name in outputs_of(node)}
        read = {name for node in manifest.nodes for name in inputs_of(node)}
        memory = {each.name for each in manifest.datasets if each.kind == "memory"}
        plain = [each.name for each in manifest.datasets if "@" not in each.name]
        self.dataset = _first([name for name in plain if name in written - memory], "dataset")
        self.memory = _first([name for name in plain if name in written & memory], "dataset")
        self.free_input = _first(
            [
                each.name
                for each in manifest.datasets
                if each.name in read - written and each.uri is not None
            ],
            "dataset",
        )


def _first(names: list[str], otherwise: str) -> str:
    return min(names, default=otherwise)
