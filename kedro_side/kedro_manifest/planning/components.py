"""Strongly connected components of a directed graph: Tarjan's algorithm without recursion."""

from __future__ import annotations

from collections.abc import Mapping


def strong_components(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the components, each node in exactly one; linear in nodes and edges.

    Not recursive, because a project may be thousands of nodes deep.

    Args:
        edges: Successors (or predecessors: the components are the same) of every node.
    """
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    open_nodes: list[str] = []
    closed: set[str] = set()
    components: list[list[str]] = []
    for root in sorted(edges):
        if root in index:
            continue
        index[root] = low[root] = len(index)
        open_nodes.append(root)
        path = [(root, iter(sorted(edges[root])))]
        while path:
            name, successors = path[-1]
            for successor in successors:
                if successor not in index:
                    index[successor] = low[successor] = len(index)
                    open_nodes.append(successor)
                    path.append((successor, iter(sorted(edges[successor]))))
                    break
                if successor not in closed:
                    low[name] = min(low[name], index[successor])
            else:
                path.pop()
                if path:
                    parent = path[-1][0]
                    low[parent] = min(low[parent], low[name])
                if low[name] == index[name]:
                    components.append(_close(name, open_nodes, closed))
    return components


def _close(root: str, open_nodes: list[str], closed: set[str]) -> list[str]:
    component: list[str] = []
    while not component or component[-1] != root:
        component.append(open_nodes.pop())
    closed.update(component)
    return component
