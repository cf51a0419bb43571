"""Read and write manifests: the version first, then the body; canonical bytes; content hash.

Text in, records out. Knows nothing of what the records mean.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from kedro_manifest.errors import ManifestReadError, ManifestVersionError
from kedro_manifest.model import FORMAT_VERSION, Manifest

EXPORT_AGAIN = "Export it again with `kedro pipes export`."


class _Header(msgspec.Struct):
    format_version: str
    generator: str = "an unknown program"


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the canonical bytes: sorted keys, two-space indent, content hash filled in."""
    unsigned = msgspec.structs.replace(manifest, content_hash="")
    signed = msgspec.structs.replace(manifest, content_hash=content_hash(unsigned))
    return _canonical(signed)


def content_hash(manifest: Manifest) -> str:
    """Return the hex SHA-256 over the canonical bytes without the hash itself."""
    unsigned = msgspec.structs.replace(manifest, content_hash="")
    return hashlib.sha256(_canonical(unsigned)).hexdigest()


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Write atomically, so that a reader never meets half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(encode_manifest(manifest))
    partial.replace(path)


def read_manifest(path: Path) -> Manifest:
    """Read a manifest file.

    Raises:
        ManifestReadError: No such file, no JSON, no manifest, a wrong type, an unknown field.
        ManifestVersionError: Another major version of the format.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ManifestReadError(
            f"Cannot read manifest '{path}': {error.strerror or error}. "
            "Write it with `kedro pipes export` in the project's environment."
        ) from error
    return decode_manifest(data, origin=str(path))


def decode_manifest(data: bytes, origin: str = "<bytes>") -> Manifest:
    """Decode manifest bytes; `origin` names them in errors (see `read_manifest`)."""
    header = _decode_header(data, origin)
    major, minor = _parse_version(header.format_version, origin)
    our_major, our_minor = _parse_version(FORMAT_VERSION, origin)
    if major != our_major:
        raise ManifestVersionError(
            f"Cannot read manifest '{origin}' (written by {header.generator}): expected format "
            f"{our_major}.x, got {header.format_version}. Upgrade the older side, "
            "then export again with `kedro pipes export`."
        )
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.ValidationError as error:
        raise ManifestReadError(
            f"Cannot read manifest '{origin}' (written by {header.generator}, format "
            f"{header.format_version}): {error}. {EXPORT_AGAIN}"
        ) from error
    if minor <= our_minor:
        _refuse_unknown_fields(data, manifest, origin)
    return manifest


def _canonical(manifest: Manifest) -> bytes:
    compact = msgspec.json.encode(manifest, order="sorted")
    return msgspec.json.format(compact, indent=2) + b"\n"


def _decode_header(data: bytes, origin: str) -> _Header:
    try:
        return msgspec.json.decode(data, type=_Header)
    except msgspec.ValidationError as error:
        raise ManifestReadError(
            f"Cannot read manifest '{origin}': it is JSON, but no manifest: {error}. {EXPORT_AGAIN}"
        ) from error
    except msgspec.DecodeError as error:
        raise ManifestReadError(
            f"Cannot read manifest '{origin}' ({len(data)} bytes): {error}. It may have been cut "
            f"off or be another file. {EXPORT_AGAIN}"
        ) from error


def _parse_version(text: str, origin: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    if not (major.isdecimal() and minor.isdecimal()):
        raise ManifestReadError(
            f"Cannot read manifest '{origin}': expected `major.minor` at `$.format_version`, "
            f"got {text!r}. {EXPORT_AGAIN}"
        )
    return int(major), int(minor)


def _refuse_unknown_fields(data: bytes, manifest: Manifest, origin: str) -> None:
    """A field that this minor version does not define is a typing error or a foreign file."""
    unknown = _first_unknown(msgspec.json.decode(data), msgspec.to_builtins(manifest), "$")
    if unknown is not None:
        raise ManifestReadError(
            f"Cannot read manifest '{origin}': unknown field `{unknown}` in format "
            f"{manifest.format_version}. {EXPORT_AGAIN}"
        )


def _first_unknown(raw: Any, known: Any, path: str) -> str | None:
    if isinstance(raw, dict) and isinstance(known, dict):
        for key, value in raw.items():
            here = f"{path}.{key}"
            if key not in known:
                return here
            if found := _first_unknown(value, known[key], here):
                return found
    elif isinstance(raw, list) and isinstance(known, list):
        for index, (left, right) in enumerate(zip(raw, known, strict=True)):
            if found := _first_unknown(left, right, f"{path}[{index}]"):
                return found
    return None
