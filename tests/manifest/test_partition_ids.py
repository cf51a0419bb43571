"""Which partition stands for which key, both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kedro_manifest.partition_ids import PartitionIds

KEYS = st.text(st.characters(exclude_characters="|/", exclude_categories=["Cs", "Cc"]), min_size=1)


@given(key=KEYS, pattern=st.sampled_from(["{key}", "of_{key}", "{key}/{key}.part", "a.b+{key}?"]))
def test_round_trip(key, pattern):
    """A partition of a key stands for that key."""
    ids = PartitionIds(pattern)

    assert key == ids.key_of(ids.id_of(key))


@given(keys=st.tuples(KEYS, KEYS), pattern=st.sampled_from(["{key_b-1}/{key_a}", "x/{key}"]))
def test_round_trip_of_two_dimensions(keys, pattern):
    """The same for the keys of two dimensions, in whichever order they stand."""
    ids = PartitionIds(pattern, ["b-1", "a"])
    key = "|".join(keys)

    assert key == ids.key_of(ids.id_of(key))


@pytest.mark.parametrize("partition", ["2013-01", "of_", "from_2013-01", "x/of_2013-01"])
def test_unrelated(partition):
    """What does not fit the pattern stands for no key."""
    assert PartitionIds("of_{key}").key_of(partition) is None


@pytest.mark.parametrize(
    ("pattern", "dimensions"),
    [
        ("all", []),
        ("{month}", []),
        ("{key_a}", []),
        ("{key_a}", ["a", "b"]),
        ("{key}{other}", ["a", "b"]),
    ],
)
def test_useless_patterns(pattern, dimensions):
    """A pattern that does not tell one key from another is refused."""
    with pytest.raises(ValueError, match=r"expected a pattern with `\{key\}`"):
        PartitionIds(pattern, dimensions)
