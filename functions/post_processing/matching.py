"""The assignment problem: pairs of rows and columns with the greatest total gain. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence


def match(gains: Sequence[Sequence[float]]) -> list[int | None]:
    """For each row its column, or None; each column at most once, the sum of the gains as great as can be.

    A gain of 0 means that the pair must not be. The Hungarian method by shortest augmenting paths with potentials
    (Kuhn 1955; Jonker and Volgenant 1987), O(rows^2 (rows + columns)); every row has a column of its own that
    stands for "none".

    >>> match([[3.0, 2.0], [2.5, 0.0]])
    [1, 0]
    """
    rows = len(gains)
    columns = len(gains[0]) if rows else 0
    costs = [[-gain for gain in row] + [0.0] * rows for row in gains]
    solver = _Solver(costs, columns + rows)
    for row in range(rows):
        solver.add(row)
    found: list[int | None] = [None] * rows
    for column, owner in enumerate(solver.owner[:columns]):
        if owner is not None and gains[owner][column] > 0:
            found[owner] = column
    return found


class _Solver:
    """Adds rows one by one, each by the cheapest chain of re-assignments."""

    def __init__(self, costs: list[list[float]], columns: int) -> None:
        self._costs, self._columns = costs, columns
        self.owner: list[int | None] = [None] * columns
        self._row_potential = [0.0] * len(costs)
        self._column_potential = [0.0] * columns

    def add(self, start: int) -> None:
        least = [math.inf] * self._columns
        came_from: list[int | None] = [None] * self._columns
        visited: list[int] = []
        row = start
        last: int | None = None
        while True:
            self._relax(row, last, least, came_from, visited)
            free = [column for column in range(self._columns) if column not in visited]
            last = min(free, key=lambda column: least[column])
            self._shift(start, least[last], least, visited)
            visited.append(last)
            holder = self.owner[last]
            if holder is None:
                break
            row = holder
        self._reassign(start, last, came_from)

    def _relax(
        self, row: int, column: int | None, least: list[float], came_from: list[int | None], visited: list[int]
    ) -> None:
        for other in range(self._columns):
            reduced = self._costs[row][other] - self._row_potential[row] - self._column_potential[other]
            if other not in visited and reduced < least[other]:
                least[other], came_from[other] = reduced, column

    def _shift(self, start: int, delta: float, least: list[float], visited: list[int]) -> None:
        self._row_potential[start] += delta
        for column in range(self._columns):
            if column in visited:
                holder = self.owner[column]
                assert holder is not None
                self._row_potential[holder] += delta
                self._column_potential[column] -= delta
            else:
                least[column] -= delta

    def _reassign(self, start: int, column: int, came_from: list[int | None]) -> None:
        at: int | None = column
        while at is not None:
            previous = came_from[at]
            self.owner[at] = start if previous is None else self.owner[previous]
            at = previous
