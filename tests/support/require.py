"""A part that a test needs: its absence fails in CI and skips, with the reason, elsewhere."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"missing in CI: {reason}")
    pytest.skip(reason)


def require(present: object, reason: str) -> None:
    if not present:
        missing(reason)
