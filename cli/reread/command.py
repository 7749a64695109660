"""`gtvision detections reread`: the command line. What is heavy is loaded when it runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import moments
from cli.output import AsJson, local_time, note, print_json, print_table, say
from cli.state import api, url_of
from functions.shared.errors import InvalidInput
from functions.shared.formats import NAMES

if TYPE_CHECKING:
    from cli.reread.changes import Comparison

SHOWN = 200
Begin = Annotated[
    str | None, typer.Option("--from", help=f"Passages that began at or after this (needed): {moments.HELP}.")
]
MinConfidence = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, help="Change what is read with at least this. Left out: with at least the stored confidence."
    ),
]
COLUMNS = ("Time", "Camera", "Plate now", "Conf.", "New plate", "Conf.", "What")


def reread(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    begin: Begin = None,
    end: Annotated[str | None, typer.Option("--to", help="And before this.")] = None,
    camera: Annotated[list[str] | None, typer.Option("--camera", "-c", help="Camera id; may be repeated.")] = None,
    only_uncertain: Annotated[bool, typer.Option("--only-uncertain", help="Plates marked uncertain alone.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="At the most this many, the newest.")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Folder of a model repository, the name of one that was built, or grpc://HOST:PORT."),
    ] = None,
    min_confidence: MinConfidence = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help="Plate format, may be repeated. Left out: those of each camera's group."),
    ] = None,
    per_second: Annotated[float, typer.Option(min=0.1, max=100, help="Passages read a second at the most.")] = 4.0,
    threads: Annotated[int, typer.Option(min=0, help="Threads of a reader in this process (0: all cores).")] = 1,
    journal: Annotated[
        Path | None, typer.Option(help="File of the readings that were made. Left out: one in the user's cache.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Read all again, also what the journal has.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Write the changes, after they were shown.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before writing.")] = False,
    since: moments.OldFrom = None,
    until: moments.OldTo = None,
    as_json: AsJson = False,
) -> None:
    """Read stored pictures with another model, and show what would change; with --apply write it.

    A stored plate is the vote of many frames and one stored picture is less, so only a reading that is surer than
    what is stored (or than --min-confidence) is a change; the others are listed as "less sure". A plate that a person
    corrected is never changed. What is written is an event and a correction that names the model.
    """
    from cli.reread import changes, run
    from cli.reread.journal import Journal, default_path
    from cli.reread.model import model_of

    if apply and as_json and not yes:
        raise InvalidInput("--apply with --json asks nobody: add --yes, or look first", field="yes")
    filters = {
        "camera_id": camera or None,
        "uncertain": True if only_uncertain else None,
        **_between(begin or since, end or until),
    }
    scope = run.Scope(filters, limit)
    how = run.How(model_of(model), _known(formats), per_second, threads, min_confidence)
    path = journal or default_path(url_of(ctx), how.model.name, how.formats)
    with api(ctx) as client, Journal(path, fresh=fresh) as kept:
        note(f"[dim]Readings by {how.model.name} are kept in {path}[/]")
        found = run.read(client, run.listed(client, scope), how, kept)
        wanted = [one for one in found if one.verdict == changes.CHANGE]
        if not as_json:
            _print(found, changes.counts(found))
        written = None
        if apply and wanted and (yes or typer.confirm(f"Write {len(wanted)} changes?", abort=True)):
            written = run.apply(client, wanted, how.model.name)
    _tell(how.model.name, found, written, as_json=as_json)


def _between(begin: str | None, end: str | None) -> dict[str, str | None]:
    if begin is None:
        raise InvalidInput("--from is missing: it says which passages are read again", field="from")
    return moments.span(begin, end)


def _known(formats: Sequence[str] | None) -> tuple[str, ...]:
    for name in formats or ():
        if name not in NAMES:
            raise InvalidInput(f"--format: {name} is none of {', '.join(NAMES)}", field="format")
    return tuple(formats or ())


def _print(found: Sequence[Comparison], counts: dict[str, int]) -> None:
    from cli.reread.changes import CHANGE, HELD

    told = [one for one in found if one.verdict in (CHANGE, HELD)]
    rows = [one.row() for one in told[:SHOWN]]
    print_table(COLUMNS, (_row(row) for row in rows), "No plate is read differently.")
    if len(told) > SHOWN:
        say(f"and {len(told) - SHOWN} more; --json has them all")
    say(f"{len(found)} passages: " + ", ".join(f"{count} {name}" for name, count in counts.items()))


def _row(row: dict[str, Any]) -> tuple[Any, ...]:
    return (
        local_time(row["started_at"]), row["camera_id"], row["plate"], row["confidence"], row["new_plate"],
        row["new_confidence"], row["verdict"],
    )  # fmt: skip


def _tell(model: str, found: Sequence[Comparison], written: dict[str, int] | None, *, as_json: bool) -> None:
    from cli.reread.changes import CHANGE, HELD, counts

    if as_json:
        rows = [one.row() for one in found if one.verdict in (CHANGE, HELD)]
        print_json({"model": model, "counts": counts(found), "changes": rows, "written": written})
    elif written is not None:
        say("Written: " + (", ".join(f"{count} {name}" for name, count in written.items()) or "nothing"))
    elif any(one.verdict == CHANGE for one in found):
        say("Nothing was written. The same command with --apply writes the changes; nothing is read again.")
