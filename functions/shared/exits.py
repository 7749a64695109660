"""Errors as exit codes of processes: one table for the CLI, the local run and every server of ours."""

from __future__ import annotations

from functions.shared import errors

OK, BUG, USAGE, INTERRUPTED = 0, 1, 2, 130
UNAVAILABLE, MISCONFIGURED = 6, 7
# No error: a command did what it was asked to, and found that what it checked does not hold.
CHECK_FAILED = 9

# First match counts, so a child stands above its parent; a test proves that every error has a row.
EXITS: tuple[tuple[type[errors.GTVisionError], int, str], ...] = (
    (errors.NotAuthenticated, 3, "not signed in, or not allowed"),
    (errors.Forbidden, 3, "not signed in, or not allowed"),
    (errors.NotFound, 4, "there is no such thing"),
    (errors.Conflict, 5, "it exists already, runs already, or was changed meanwhile"),
    (errors.Rejected, USAGE, "the command or its input is wrong"),
    (errors.Unavailable, UNAVAILABLE, "a part that is needed does not answer"),
    (errors.Misconfigured, MISCONFIGURED, "a setting, file, port or model is missing or wrong"),
    (errors.Throttled, 8, "too many requests"),
    (errors.GTVisionError, BUG, "a bug"),
)


def exit_code(error: BaseException) -> int:
    """The exit code of a process that ends by `error`; 1, a bug, for what is none of ours."""
    for kind, code, _ in EXITS:
        if isinstance(error, kind):
            return code
    return BUG
