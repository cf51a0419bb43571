"""Which of `dagster.yml`'s `assets` an asset gets, and whether they can be used at all. Pure.

Knows what Dagster takes for an owner, a tag or a group, but not Dagster.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from kedro_manifest import names
from kedro_manifest.errors import OrchestrationError
from kedro_manifest.orchestration.automation import AssetSettings, CodeReferences, Freshness, OnCron
from kedro_manifest.patterns import matching_names, matching_patterns

CONDITIONS = ("eager", "on_missing")
"""Automation conditions of Dagster's own that need nothing else said."""

SHORTEST_WINDOW_S = 60
MOST_KINDS = 10

_NOTHING_SAID = AssetSettings()
_MERGED = ("owners", "kinds")
_OWNER = re.compile(r"team:.+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")
_TAG_KEY = re.compile(r"(?:[\w.-]{1,63}/)?[\w.-]{1,63}", re.ASCII)
_TAG_RULE = (
    "Keys and values have at most 63 letters, digits, `_`, `-` and `.`; a key may have a prefix "
    "that ends with `/`. Anything else can stand under `metadata`."
)
_TAG_VALUE = re.compile(r"[\w.-]{0,63}", re.ASCII)
_KIND = re.compile(r"[\w.-]{1,63}", re.ASCII)
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_GROUP = re.compile(r"\w+(?:/\w+)*", re.ASCII)


def settings_for(
    assets: Mapping[str, AssetSettings], name: str, below: AssetSettings = _NOTHING_SAID
) -> AssetSettings:
    """Return what all matching patterns say of the asset of a dataset or node.

    Args:
        assets: By pattern.
        name: Of the dataset or node.
        below: What is said elsewhere, over which every pattern goes.
    """
    merged = below
    for pattern in matching_patterns(assets, name):
        merged = _merge(merged, assets[pattern])
    return merged


def place_of(assets: Mapping[str, AssetSettings], name: str, field: str) -> str:
    """Return where in `dagster.yml` a setting of an asset was said, the most specific place."""
    saying = [
        pattern
        for pattern in matching_patterns(assets, name)
        if getattr(assets[pattern], field) != getattr(AssetSettings(), field)
    ]
    return f"assets.{saying[-1]}.{field}" if saying else "assets"


def unmatched_patterns(assets: Mapping[str, object], known: Iterable[str]) -> list[str]:
    """Return the patterns that no asset matches."""
    known = list(known)
    return [pattern for pattern in assets if not matching_names(known, pattern)]


def check_asset_settings(assets: Mapping[str, AssetSettings]) -> None:
    """Refuse what Dagster would refuse, or pass over, when it loads the assets.

    Raises:
        OrchestrationError: The message names the pattern, the key and what may stand there.
    """
    for pattern, settings in assets.items():
        for field, problem, hint in problems_of(settings):
            raise OrchestrationError.at(f"assets.{pattern}.{field}", problem, hint)


def check_code_references(references: CodeReferences | None) -> None:
    """Refuse an address that leads nowhere, or to the same place for every node.

    Raises:
        OrchestrationError: It is no web address, or has other placeholders than there are.
    """
    if references is None:
        return
    unknown = set(_PLACEHOLDER.findall(references.url)) - {"path", "line"}
    web = references.url.startswith(("https://", "http://"))
    if unknown or not web or "{path}" not in references.url:
        raise OrchestrationError.at(
            "code_references.url",
            f"'{references.url}' is no address of a file",
            "Write `https://…` with `{path}` in it, and `{line}` where the line goes.",
        )


def fill_group_name(template: str, namespace: str | None, pipeline: str | None) -> str | None:
    """Return a group name with its placeholders filled; None if nothing is left of it.

    A level that is empty, because there is no namespace, is left out.
    """
    values = {"namespace": namespace, "pipeline": pipeline}
    filled = {name: names.group_name(value) if value else "" for name, value in values.items()}
    levels = _PLACEHOLDER.sub(lambda match: filled[match[1]], template).split("/")
    return "/".join(level for level in levels if level) or None


def _merge(below: AssetSettings, above: AssetSettings) -> AssetSettings:
    return AssetSettings(
        **{
            field: list(dict.fromkeys(getattr(below, field) + getattr(above, field)))
            for field in _MERGED
        },
        tags={**below.tags, **above.tags},
        metadata={**below.metadata, **above.metadata},
        group_name=above.group_name or below.group_name,
        description=above.description or below.description,
        freshness=above.freshness or below.freshness,
        automation=above.automation or below.automation,
    )


def problems_of(settings: AssetSettings) -> Iterator[tuple[str, str, str]]:
    """Yield field, problem and hint of what Dagster would refuse, or pass over."""
    for owner in settings.owners:
        if not _OWNER.fullmatch(owner):
            yield "owners", f"'{owner}' is no owner", "Write an e-mail address, or `team:name`."
    for key, value in settings.tags.items():
        if not _TAG_KEY.fullmatch(key) or not _TAG_VALUE.fullmatch(value):
            yield (
                "tags",
                f"Dagster takes no tag '{key}: {value}'",
                _TAG_RULE,
            )
    for kind in settings.kinds:
        if not _KIND.fullmatch(kind):
            yield (
                "kinds",
                f"'{kind}' is no kind",
                "A kind has at most 63 letters, digits, `_`, `-` and `.`.",
            )
    if settings.group_name is not None:
        yield from _group_problems(settings.group_name)
    if settings.freshness is not None:
        yield from _freshness_problems(settings.freshness)
    yield from _automation_problems(settings.automation)


def _group_problems(template: str) -> Iterator[tuple[str, str, str]]:
    for placeholder in _PLACEHOLDER.findall(template):
        if placeholder not in {"namespace", "pipeline"}:
            yield (
                "group_name",
                f"nothing stands for '{{{placeholder}}}'",
                "There are `{namespace}` and `{pipeline}`.",
            )
    if not _GROUP.fullmatch(_PLACEHOLDER.sub("x", template)):
        yield (
            "group_name",
            f"'{template}' is no group name",
            "Letters, digits and `_` make a level, `/` stands between levels.",
        )


def _freshness_problems(freshness: Freshness) -> Iterator[tuple[str, str, str]]:
    windowed = freshness.fail_after_s is not None
    by_deadline = freshness.deadline_cron is not None
    if windowed == by_deadline:
        yield (
            "freshness",
            "it needs either a window or a deadline",
            "Give `fail_after_s`, or `deadline_cron` and `lower_bound_s`.",
        )
    elif windowed and (freshness.lower_bound_s is not None or freshness.timezone is not None):
        yield (
            "freshness",
            "`lower_bound_s` and `timezone` mean nothing without `deadline_cron`",
            "Take them out.",
        )
    elif by_deadline and (freshness.lower_bound_s is None or freshness.warn_after_s is not None):
        yield (
            "freshness",
            "a deadline needs `lower_bound_s`, and takes no `warn_after_s`",
            "Say how long before the deadline the asset counts as fresh.",
        )
    spans = (freshness.fail_after_s, freshness.warn_after_s, freshness.lower_bound_s)
    if any(span is not None and span < SHORTEST_WINDOW_S for span in spans):
        yield "freshness", "Dagster takes no span below 60 s", "Give a longer one."
    warn_s, fail_s = freshness.warn_after_s, freshness.fail_after_s
    if warn_s is not None and fail_s is not None and warn_s >= fail_s:
        yield "freshness", "it would warn after it has failed", "Warn earlier than you fail."


def _automation_problems(automation: str | OnCron | None) -> Iterator[tuple[str, str, str]]:
    if not isinstance(automation, str) or automation in CONDITIONS:
        return
    if not all(part.strip() for part in automation.partition(":")) or " " in automation:
        yield (
            "automation",
            f"there is no condition '{automation}'",
            "Write `eager`, `on_missing`, `{on_cron: '0 6 * * *'}`, or a condition's `module:name`.",
        )
