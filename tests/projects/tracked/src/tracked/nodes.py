"""What the nodes do."""

import os
import signal
import sys
import time
from pathlib import Path

import mlflow

PATIENCE_S = 120


class Line(mlflow.pyfunc.PythonModel):
    """Predicts by a line."""

    def __init__(self, slope):
        self.slope = slope

    def predict(self, context, model_input: list[float]) -> list[float]:  # noqa: ARG002
        """Return what lies on the line."""
        return [self.slope * x for x in model_input]


def make_points(count, noise):
    """Return points near a line."""
    return [[x, 2 * x + noise * (-1) ** x] for x in range(1, count + 1)]


def fit(points, fitting):
    """Return a line, and a model of it."""
    slope = sum(x * y for x, y in points) / sum(x * x for x, _ in points)
    line = {"slope": round(slope, 6), "kind": fitting["kind"]}
    return line, Line(slope)


def judge(points, line, tolerance):
    """Return the largest residual, and all of them."""
    residuals = [abs(y - line["slope"] * x) for x, y in points]
    curve = {"residuals": [{"value": value, "step": step} for step, value in enumerate(residuals)]}
    return max(residuals) - tolerance, curve


def remark(excess):
    """Say what the metric means."""
    return f"{excess:.2f} too much"


def count_points(points):
    """Return how many points there are."""
    mlflow.log_metric("counted", len(points))
    return len(points)


def begin(count):
    """Return what was given."""
    return count


def mend(begun):
    """Fail as long as nobody has mended it."""
    if not Path("data/mended").exists():
        raise RuntimeError("not mended yet")
    return begun


def leave(begun):
    """Leave in a way that looks like success."""
    sys.exit(begun - begun)


def die(begun):  # noqa: ARG001
    """Be killed."""
    os.kill(os.getpid(), signal.SIGKILL)


def wait(begun):
    """Say that it waits, and wait."""
    Path("data/waiting").touch()
    time.sleep(PATIENCE_S)
    return begun


def stay_away(begun, count):
    """Return what nobody tracks."""
    return begun + count
