"""Keep secrets out of what leaves the project: by key, by shape, and by value.

Pure functions on strings and JSON-able data. Knows neither Kedro nor the manifest.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import PurePath
from typing import Any

REDACTED = "<redacted>"
SHORTEST_SECRET = 6
"""Shorter strings occur everywhere; replacing them would only spoil the text."""
_LARGEST_INTEGER = 2**63 - 1

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRET_WORDS = frozenset(
    {
        *("password", "passwords", "passwd", "passphrase", "pwd", "pw", "secret", "secrets"),
        *("credential", "credentials", "creds", "apikey", "accesskey", "secretkey"),
        *("token", "tokens", "authorization", "pat", "sas"),
    }
)
_SECRET_PAIRS = frozenset(
    (first, last)
    for first in ("api", "access", "account", "private", "secret", "shared", "signing", "ssh")
    for last in ("key", "keys")
)
_COUNTED_WORDS = frozenset({"token", "tokens"})

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)([^\s\"'<>]+)")
_ASSIGNMENT = re.compile(
    r"(?i)\b((?:password|passwd|pwd|secret|token|accountkey|sharedaccesskey|api_?key)\s*=\s*)"
    r"[^\s;&,\"']+"
)
_VARIABLE = re.compile("[A-Z_][A-Z0-9_]*")
_CONTAINER_SCHEMES = frozenset({"abfs://", "abfss://", "wasb://", "wasbs://"})
"""Azure writes `container@account` where other URLs have a user."""


def is_secret_key(key: str, value: Any = None) -> bool:
    """Tell whether a key's name says that its value is a secret.

    `max_tokens: 512` is a limit: a number under a token's name is no secret.
    """
    words = [word.lower() for word in _WORD.findall(key)]
    suspects = _SECRET_WORDS.intersection(words)
    if isinstance(value, (int, float)):
        suspects -= _COUNTED_WORDS
    return bool(suspects) or not _SECRET_PAIRS.isdisjoint(pairwise(words))


def redact_uri(uri: str) -> str:
    """Return a location without user, password, query or fragment; paths stay as they are."""
    return "::".join(_URL.sub(_bare_url, part) for part in uri.split("::"))


def redact_text(text: str) -> str:
    """Return text without passwords in URLs and in `password=…` assignments."""
    if "://" in text:
        text = _URL.sub(lambda match: match[1] + _without_password(match[2]), text)
    return _ASSIGNMENT.sub(rf"\1{REDACTED}", text) if "=" in text else text


def public_json(value: Any, is_public: Callable[[str, Any], bool] | None = None) -> Any:
    """Return a value as JSON: string keys, no secret-looking key, nothing that JSON lacks.

    `{env: NAME}` under such a key says where a secret is, and is none.

    Args:
        value: Anything.
        is_public: Tells of an entry with such a key whether it is no secret all the same.
    """
    if isinstance(value, Mapping):
        return {
            str(key): public_json(inner, is_public)
            for key, inner in value.items()
            if not is_secret_key(str(key), inner)
            or _is_reference(inner)
            or (is_public is not None and is_public(str(key), inner))
        }
    if isinstance(value, (list, tuple)):
        return [public_json(inner, is_public) for inner in value]
    if isinstance(value, str):
        return redact_text(value)
    return value if is_json_scalar(value) else stable_text(value)


def _is_reference(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and list(value) == ["env"]
        and isinstance(value["env"], str)
        and _VARIABLE.fullmatch(value["env"]) is not None
    )


def is_json_scalar(value: Any) -> bool:
    """Tell whether JSON can carry a scalar without loss."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return abs(value) <= _LARGEST_INTEGER
    return value is None or isinstance(value, str)


def stable_text(value: Any) -> str:
    """Return a text that is the same in every process: no address, no order of a set."""
    if isinstance(value, (set, frozenset)):
        return "{" + ", ".join(sorted(stable_text(inner) for inner in value)) + "}"
    if isinstance(value, (date, PurePath, Decimal, int, float, complex)):
        return redact_text(str(value))
    if isinstance(value, str):
        return redact_text(value)
    kind = value if isinstance(value, type) else type(value)
    return f"{kind.__module__}.{kind.__qualname__}"


class SecretScrubber:
    """Replaces known secrets wherever they occur.

    Args:
        secrets: Resolved values that must not get out.
        public: Names that are part of the project's structure. A user name or region that
            is also such a name is no secret, and replacing it would break references.
    """

    def __init__(self, secrets: Iterable[tuple[str, str]], public: Iterable[str]) -> None:
        names = "\n".join(public)
        values = {
            value
            for key, value in secrets
            if len(value) >= SHORTEST_SECRET and (is_secret_key(key) or value not in names)
        }
        longest_first = sorted(values, key=lambda value: (-len(value), value))
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if values else None

    def text(self, text: str) -> str:
        """Return text without any known secret."""
        return self._pattern.sub(REDACTED, text) if self._pattern else text

    def json(self, value: Any) -> Any:
        """Return JSON without any known secret, in keys as well."""
        if self._pattern is None:
            return value
        if isinstance(value, dict):
            return {self.text(key): self.json(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.json(inner) for inner in value]
        return self.text(value) if isinstance(value, str) else value


def string_leaves(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield every string in nested data with its nearest secret-looking or own key."""
    if isinstance(value, Mapping):
        for inner_key, inner in value.items():
            own = key if is_secret_key(key) else str(inner_key)
            yield from string_leaves(inner, own)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from string_leaves(inner, key)
    elif isinstance(value, (str, bytes)):
        text = value.decode(errors="replace") if isinstance(value, bytes) else value
        yield key, text
        yield from (("password", password) for password in _passwords(text))


def _passwords(text: str) -> Iterator[str]:
    for match in _URL.finditer(text):
        user, _ = _split_authority(match[2])
        if ":" in user:
            yield user.partition(":")[2]


def _bare_url(match: re.Match[str]) -> str:
    scheme, rest = match[1], match[2]
    user, address = _split_authority(rest)
    if scheme.lower() in _CONTAINER_SCHEMES and user and ":" not in user:
        address = f"{user}@{address}"
    return scheme + re.split(r"[?#]", address, maxsplit=1)[0]


def _without_password(rest: str) -> str:
    user, address = _split_authority(rest)
    if ":" in user:
        return f"{REDACTED}@{_without_signature(address)}"
    return _without_signature(rest)


def _without_signature(rest: str) -> str:
    """Drop a query that signs or authorizes; an ordinary one is part of a link."""
    address, mark, query = rest.partition("?")
    keys = [pair.partition("=")[0] for pair in query.split("&")]
    signed = any(is_secret_key(key) or key.lower() in {"sig", "signature"} for key in keys)
    signed = signed or "x-amz-" in query.lower()
    return f"{address}{mark}{REDACTED}" if signed else rest


def _split_authority(rest: str) -> tuple[str, str]:
    """Split what follows `scheme://` into user and address.

    A password with an unescaped slash or question mark is not valid there, but people write it.
    """
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        user, _, host = authority.rpartition("@")
        return user, host + rest[len(authority) :]
    port = authority.partition(":")[2]
    if port and not port.isdigit() and "@" in rest:
        user, _, address = rest.rpartition("@")
        return user, address
    return "", rest
