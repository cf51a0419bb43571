from __future__ import annotations

import keyword
import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from kedro_manifest.names import (
    RESERVED,
    asset_key_parts,
    dagster_name,
    group_name,
    name_from_asset_key,
    name_from_dagster,
    strip_transcoding,
    tag_key,
)

# Small, and full of what the escapes are made of, so that collisions have every chance.
tricky = st.text(alphabet="aU_g0f5.-é λ@", max_size=12)
names = st.one_of(tricky, st.text(max_size=8), st.sampled_from(sorted(RESERVED)))
plain_parts = st.from_regex(r"[a-z0-9]+(_[a-z0-9]+)*", fullmatch=True)


def derived_identifier(name: str) -> str:
    """The Python identifier that Dagster makes of an asset key."""
    return "__".join(asset_key_parts(name)).replace("-", "_").replace(".", "_")


@given(names)
@example("a..b")
@example("")
@example("U_5f_U")
def test_asset_keys_round_trip(name):
    """An asset key leads back to the exact Kedro name."""
    assert name == name_from_asset_key(asset_key_parts(name))


@given(names)
def test_dagster_names_round_trip(name):
    """A job's or op's name leads back to the exact Kedro name."""
    assert name == name_from_dagster(dagster_name(name))


@given(names, names)
@example("a.b", "a__b")
@example("a_.b", "a._b")
@example("a-b", "a_b")
def test_different_names_stay_different_in_what_dagster_derives(left, right):
    """Keys are joined by Dagster into identifiers, and those must not collide either."""
    assume(left != right)

    assert derived_identifier(left) != derived_identifier(right)
    assert dagster_name(left) != dagster_name(right)
    assert group_name(left) != group_name(right)


@given(names)
def test_names_are_legal(name):
    """Only letters, digits and underscores of ASCII, and no word that Dagster keeps for itself."""
    assert re.fullmatch(r"[A-Za-z0-9_]+", dagster_name(name))
    assert dagster_name(name) not in RESERVED
    for part in asset_key_parts(name):
        assert re.fullmatch(r"[A-Za-z0-9]+(_[A-Za-z0-9]+)*", part)


@given(st.lists(plain_parts, min_size=1, max_size=4))
def test_plain_names_stay_plain(parts):
    """What most people write is shown as they wrote it."""
    assume(len(parts) > 1 or parts[0] not in RESERVED)

    assert parts == asset_key_parts(".".join(parts))


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("shuttles", ["shuttles"]),
        ("north.model", ["north", "model"]),
        ("Ratio_of_U_turns", ["Ratio_of_U_turns"]),
        ("input", ["U_69_Unput"]),
        ("north.input", ["north", "input"]),
        ("a-b", ["aU_2d_Ub"]),
    ],
)
def test_examples(name, parts):
    """The escapes as they look in Dagster's interface."""
    assert parts == asset_key_parts(name)


@pytest.mark.parametrize(
    ("name", "stripped"), [("x@pandas", "x"), ("x", "x"), ("ns.x@spark", "ns.x")]
)
def test_transcoding_is_stripped(name, stripped):
    """A transcoded dataset is one dataset, whatever reads it."""
    assert stripped == strip_transcoding(name)


def test_python_keywords_are_reserved():
    """No derived name is a keyword of Python."""
    assert not {dagster_name(word) for word in keyword.kwlist} & set(keyword.kwlist)


@pytest.mark.parametrize(
    ("tag", "key"), [("daily", "daily"), ("a.b-c", "a.b-c"), ("ü", None), ("x" * 64, None)]
)
def test_tags_are_taken_only_where_dagster_takes_them(tag, key):
    """A tag that Dagster would refuse is left to the metadata."""
    assert key == tag_key(tag)
