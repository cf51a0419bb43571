"""Python's search for garbage, put off while a worker imports and loads.

Importing makes hundreds of thousands of objects and next to no garbage, and the search visits them
again and again. A node finds everything as it would elsewhere, but that what was there before it is
not visited any more. Must not import kedro.
"""

from __future__ import annotations

import gc

_WHILE_IMPORTING = 200_000
"""So many new objects make a search until then; by itself Python takes 700 or 2,000."""
_thresholds: dict[str, tuple[int, int, int]] = {}


def put_off_search() -> None:
    """Search seldom, until `resume_search`; where nobody searches, nothing is changed."""
    before = gc.get_threshold()
    if gc.isenabled() and 0 < before[0] < _WHILE_IMPORTING:
        _thresholds["before"] = before
        gc.set_threshold(_WHILE_IMPORTING, *before[1:])


def resume_search() -> None:
    """Search as before, unless somebody else has chosen a number of his own meanwhile."""
    before = _thresholds.pop("before", None)
    if before is not None and gc.get_threshold() == (_WHILE_IMPORTING, *before[1:]):
        gc.freeze()
        gc.set_threshold(*before)
