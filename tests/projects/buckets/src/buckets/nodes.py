"""What the nodes do."""


def split(flights):
    """Return a part for each day."""
    return {day: {"delays": delays} for day, delays in flights.items()}


def add_up(by_day):
    """Load each part; what comes of it is in memory."""
    return {day: sum(load()["delays"]) for day, load in sorted(by_day.items())}


def fit(totals):
    """Return a model."""
    return {"mean": sum(totals.values()) / len(totals)}


def judge(model):
    """Return a score that tells which model it is of."""
    return {"mean_delay": model["mean"]}


def report(score):
    """Return a text."""
    return f"Late by {score['mean_delay']} minutes.\n"
