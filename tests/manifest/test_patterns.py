"""Which names a pattern of `dagster.yml` stands for, and which of several counts most."""

import pytest
from kedro_manifest.patterns import is_pattern, matching_names, matching_patterns


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["*", "europe.*", "*.model"], ["*", "*.model", "europe.*"]),
        (["europe.model", "*europe.model*"], ["*europe.model*", "europe.model"]),
        (["asia.*", "EUROPE.*"], []),
        (["europe.mode?", "europe.*"], ["europe.*", "europe.mode?"]),
    ],
)
def test_the_most_specific_pattern_comes_last(patterns, expected):
    """Order in the file does not count, what is spelled out does; the name itself counts most."""
    assert expected == matching_patterns(patterns, "europe.model")
    assert expected == matching_patterns(reversed(patterns), "europe.model")


def test_names_may_look_like_patterns():
    """A dataset with brackets in its name is found by that name."""
    assert ["a[b]"] == matching_names(["a[b]", "ab"], "a[b]")[:1]
    assert (True, False) == (is_pattern("a*"), is_pattern("a.b-c"))
