"""Types of parameters."""

from dataclasses import dataclass

from pydantic import BaseModel, PositiveInt


class Search(BaseModel):
    """How to search."""

    depth: PositiveInt
    breadth: float = 1.5


class Model(BaseModel):
    """How to fit."""

    name: str
    search: Search


@dataclass
class Window:
    """A span of days."""

    days: int
    label: str = "unnamed"
