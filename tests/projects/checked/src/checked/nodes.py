"""The functions of the nodes."""

from kedro_pipes import report


def extend(raw, added):
    """Return numbers, or none at all where nothing is to be added."""
    numbers = [] if added is None else raw + added
    report.check("has_some", bool(numbers))
    return numbers


def double(numbers):
    """Return each number twice as large."""
    return [2 * number for number in numbers]


def comment(numbers):
    """Say something of the numbers, and check what is said."""
    report.check("is_short", len(numbers) < 5, metadata={"length": len(numbers)})
    report.check("unheard_of", passed=False, severity="WARN")
    return f"{len(numbers)} numbers"


def stand_apart():
    """Yield nothing, and then something; it depends on nothing."""
    yield []
    yield ["apart"]
