"""Which cameras somebody may see: all, or those of some groups. Every query about cameras is narrowed by it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, select, true

from functions.shared.tables import Camera


@dataclass(frozen=True)
class Scope:
    """`groups` None: every camera, those of no group too. A camera that was deleted keeps its group."""

    groups: frozenset[str] | None = None

    @property
    def everything(self) -> bool:
        return self.groups is None

    def cameras(self, camera_id: Any) -> ColumnElement[bool]:
        """The condition that a column (or value) names a camera of the scope."""
        if self.groups is None:
            return true()
        allowed = select(Camera.id).where(Camera.group_id.in_(sorted(self.groups)))
        condition: ColumnElement[bool] = camera_id.in_(allowed)
        return condition

    def grouped(self, group_id: Any) -> ColumnElement[bool]:
        """The condition that a column names a group of the scope."""
        if self.groups is None:
            return true()
        condition: ColumnElement[bool] = group_id.in_(sorted(self.groups))
        return condition

    def within(self, groups: Iterable[str] | None) -> Scope:
        """What of the scope is in some groups too (None: all of it)."""
        if groups is None:
            return self
        given = frozenset(groups)
        return Scope(given if self.groups is None else given & self.groups)

    def holds(self, group_id: str | None) -> bool:
        """Whether a camera of this group (None: of no group) may be seen."""
        return self.groups is None or (group_id is not None and group_id in self.groups)


EVERYTHING = Scope()
