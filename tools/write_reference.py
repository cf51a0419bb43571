"""Write docs/reference/dagster-yml.md from the types: every key, its type, default and text.

Usage: .venv/dagster/bin/python tools/write_reference.py [--check]
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
from kedro_manifest.orchestration.annotations import alternatives, is_struct
from kedro_manifest.orchestration.docstrings import describe_fields, place_and_text
from kedro_manifest.orchestration.root import Orchestration
from kedro_manifest.orchestration.schema import structs_of
from kedro_manifest.orchestration.shapes import (
    choices,
    describe_types,
    is_list,
    is_mapping,
    item_types,
    keys_of,
    tag_of,
)

PAGE = Path(__file__).parents[1] / "docs/reference/dagster-yml.md"
INTRODUCTION = """\
# dagster.yml

<!-- Made by tools/write_reference.py from the types; change the texts there. -->

The file lies in `conf/base/` or any other environment, and is read with the project's own config
loader: an environment's top-level keys replace those of `base`, `${globals:…}` and other resolvers
work, keys that begin with `_` are variables. Every key may be left out, unless its default is
*required*; a key that is not listed is an error, with the file, its line and the nearest key.

[`kedro pipes init`](cli.md#init) writes one with an example of each room. Editors that know JSON
Schema complete and check it ([schema](dagster.schema.json)). Nothing that looks like a secret is
exported: write `{env: NAME}` instead of its value, or pass variables to workers with `pass_env`.
"""


def render() -> str:
    """Return the page."""
    parts = [INTRODUCTION, "## The file\n", *_table(keys_of(Orchestration), Orchestration)]
    rooms = keys_of(Orchestration)
    shown = {Orchestration, *(each for field in rooms.values() for each in _direct(field.type))}
    for key, field in rooms.items():
        direct = _direct(field.type)
        inner = [each for each in structs_of(field.type) if each in direct or each not in shown]
        shown.update(inner)
        if inner:
            parts += [f"\n## {key}\n", *_room(inner)]
    return "\n".join(parts).rstrip() + "\n"


def _direct(annotation: Any) -> list[Any]:
    """Return the structs that are a room's entries, or the room itself."""
    types = alternatives(annotation)
    types = types + [inner for each in types if is_mapping(each) for inner in item_types(each)]
    return [each for each in types if is_struct(each)]


def _room(structs: list[Any]) -> Iterator[str]:
    siblings = [each for each in structs if tag_of(each)]
    shared = set[str]().union(*map(keys_of, siblings)) if siblings else set()
    shared = shared.intersection(*map(keys_of, siblings))
    if siblings:
        kinds = ", ".join(f"`{tag[1]}`" for each in siblings if (tag := tag_of(each)))
        yield f"Each entry has a `type`: {kinds}. All of them have these keys:\n"
        fields = {key: field for key, field in keys_of(siblings[0]).items() if key in shared}
        yield from _table(fields, siblings[0])
    for index, struct in enumerate(structs):
        if index or siblings:
            yield f"\n### {_heading(struct)}\n"
        yield f"{_sentence(struct)}\n"
        own = {
            key: field
            for key, field in keys_of(struct).items()
            if struct not in siblings or key not in shared
        }
        yield from _table(own, struct)


def main() -> int:
    """Write the page, or tell whether it is current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether it is current")
    text = render()
    if parser.parse_args().check:
        current = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text
        print(f"{PAGE} is {'current' if current else 'stale: run `make reference`'}")
        return 0 if current else 1
    PAGE.write_text(text, encoding="utf-8")
    print(f"Wrote {PAGE}")
    return 0


def _table(fields: dict[str, msgspec.structs.FieldInfo], struct: Any) -> Iterator[str]:
    if not fields:
        return
    texts = describe_fields(struct)
    yield "| Key | Type | Default | |"
    yield "| --- | --- | --- | --- |"
    for key, field in fields.items():
        cells = (f"`{key}`", _type(field.type), _default(field), texts.get(key, ""))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _type(annotation: Any) -> str:
    return " or ".join(dict.fromkeys(map(_one_type, _without_none(annotation))))


def _one_type(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{word}`" for word in get_args(annotation))
    if is_list(annotation):
        return f"list of {_items(item_types(annotation))}"
    if annotation == dict[str, Any]:
        return "mapping"
    if is_mapping(annotation):
        names = choices(alternatives(get_args(annotation)[0]))
        keys = f"{', '.join(f'`{each}`' for each in names)}" if names else "names"
        return f"mapping of {keys} to {_items(item_types(annotation))}"
    if is_struct(annotation):
        return f"[mapping](#{_anchor(annotation)})"
    return describe_types([annotation])


def _items(types: list[Any]) -> str:
    known = [each for each in types if each is not type(None)]
    if len(known) > 1 and all(is_struct(each) for each in known):
        return "mappings, each of a `type`"
    return " or ".join(dict.fromkeys(map(_one_type, known)))


def _heading(struct: Any) -> str:
    tag = tag_of(struct)
    place = f"{tag[0]}: {tag[1]}" if tag else place_and_text(struct)[0]
    return f"`{place}`" if place else struct.__name__


def _anchor(struct: Any) -> str:
    """Return how GitHub and most others link to a heading; a room's own is the room's."""
    place = place_and_text(struct)[0]
    room = place.removesuffix(".<name>").removesuffix(".<pattern>")
    heading = room if room in keys_of(Orchestration) else _heading(struct)
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _sentence(struct: Any) -> str:
    text = place_and_text(struct)[1]
    return text[:1].upper() + text[1:]


def _without_none(annotation: Any) -> list[Any]:
    return [each for each in alternatives(annotation) if each is not type(None)]


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "*required*"
    default = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    if default is None or default in ({}, [], (), "") or is_struct(type(default)):
        return ""
    return f"`{msgspec.json.encode(default).decode()}`".replace('"', "")


if __name__ == "__main__":
    sys.exit(main())
