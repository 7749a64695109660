"""`gtvision audit list | export | verify`: who did what, and the proof that nobody changed it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from cli import moments
from cli.output import AsJson, cell, local_time, print_json, print_table, say
from cli.state import api
from functions.shared import chain
from functions.shared.chain import FACTS, FIRST, Fault, Link, Walk
from functions.shared.errors import InvalidInput, NotFound
from functions.shared.exits import CHECK_FAILED

app = typer.Typer(no_args_is_help=True, help="Who did what, and the proof that nothing of it was changed.")
COLUMNS = ("Row", "Time", "Who", "What", "On", "Reason", "Details")
KIND = "gt-vision-audit"


@app.command("list")
def list_(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    actor: Annotated[str | None, typer.Option("--actor", help="Name or id of a user.")] = None,
    action: Annotated[str | None, typer.Option(help="E.g. detections.search; detections.* takes them all.")] = None,
    subject: Annotated[str | None, typer.Option(help="What it was done to: a plate, an id.")] = None,
    since: Annotated[str | None, typer.Option("--from", help=f"At or after: {moments.HELP}.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Before.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At the most this many, newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Who did what, newest first. To look is itself written down."""
    filters = {
        "actor": actor, "action": action, "subject": subject, "from": moments.moment_or_none(since, "from"),
        "to": moments.moment_or_none(until, "to"),
    }  # fmt: skip
    with api(ctx) as client:
        found = list(client.pages("/api/auth/audit", limit, **filters))
    if as_json:
        print_json({"items": found})
        return
    rows = (
        (item["seq"], local_time(item["at"]), item["actor"], item["action"], item["subject"], item["reason"],
         json.dumps(item["details"], ensure_ascii=False) if item["details"] else "")
        for item in found
    )  # fmt: skip
    print_table(COLUMNS, rows, "There is no such row.")


@app.command()
def export(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="File of JSON lines to write; .gz is compressed.", dir_okay=False)
    ],
    from_seq: Annotated[int, typer.Option(min=1, help="From this row on.")] = 1,
    until: Annotated[int | None, typer.Option(min=1, help="Up to this row.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write the log into a file that `gtvision audit verify --file` proves without the server."""
    if file.exists():
        raise InvalidInput(f"{file} is there already; name another file", field="file")
    draft = file.with_name(f".{file.name}.part")
    try:
        with api(ctx) as client, _writing(draft, file.suffix == ".gz") as stream:
            for part in client.parts("/api/auth/audit/export", from_seq=from_seq, until=until):
                stream.write(part)
        found = checked(draft, None, packed=file.suffix == ".gz")
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    if as_json:
        print_json({"file": str(file), **found})
    else:
        say(f"{found['rows']} rows in [bold]{cell(str(file))}[/], up to {found['head']}.")
    if not found["whole"]:
        raise typer.Exit(CHECK_FAILED)


def _writing(path: Path, packed: bool) -> IO[bytes]:
    # The log names people and plates: nobody else on this machine needs to read it.
    path.touch(mode=0o600)
    return gzip.open(path, "wb") if packed else path.open("wb")  # type: ignore[return-value]  # both take bytes


@app.command()
def verify(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Option("--file", help="An exported file instead of the server's log.")] = None,
    noted: Annotated[
        str | None, typer.Option("--noted", help="The end that was noted earlier, SEQ:HASH: is it still the same log?")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that no row was changed, taken out, put in or put back. Ends with 9 where one was."""
    if file is not None:
        found = checked(file, noted, packed=file.suffix == ".gz")
    else:
        with api(ctx) as client:
            found = client.call("POST", "/api/auth/audit/verify", slow=True, json={"noted": noted} if noted else {})
    if as_json:
        print_json(found)
    elif found["whole"]:
        say(f"[green]The log is whole[/]: {found['rows']} rows, from {local_time(found['first_at'])} "
            f"to {local_time(found['last_at'])}.")  # fmt: skip
        if file is not None and not found.get("ended"):
            say("The file does not say where the log ends: rows behind it may be missing.")
        say(f"Its end, to be noted elsewhere and given to --noted later: {found['head']}")
    else:
        say(f"[red]The log does not hold[/] at row {found['broken_at']}: {cell(found['reason'])}")
    if not found["whole"]:
        raise typer.Exit(CHECK_FAILED)


def checked(file: Path, noted: str | None, *, packed: bool) -> dict[str, Any]:
    """What the server's check answers, of an exported file (or an archive that retention wrote), without the server.

    `ended`: the file says itself where the log ended. Raises NotFound, InvalidInput.
    """
    try:
        links = [chain.link(noted)] if noted else []
    except ValueError as error:
        raise InvalidInput(f"--noted {error}", field="noted") from None
    lines = _lines(file, packed=packed)
    walk, end, fault = Walk(Link(), links), None, None
    for number, item in enumerate(lines, 1):
        if number == 1 and item.get("kind") == KIND:
            walk = Walk(_link(item.get("start"), number), links)
        elif end is None and item.get("kind") == f"{KIND}-end":
            end = _link(item.get("head"), number)
        else:
            if number == 1 and item.get("seq") != 1:
                walk = Walk(_before(item, number), links)
            fault = fault or _step(walk, item, number, ended=end is not None)
    fault = fault or walk.end(end or walk.last)
    return {
        "whole": fault is None, "rows": walk.rows, "start": str(walk.start), "head": str(end or walk.last),
        "first_at": walk.first_at, "last_at": walk.last_at, "broken_at": fault.seq if fault else None,
        "reason": fault.reason if fault else "", "ended": end is not None,
    }  # fmt: skip


def _step(walk: Walk, item: dict[str, Any], number: int, *, ended: bool) -> Fault | None:
    if ended:
        return Fault(walk.last.seq + 1, f"line {number} stands behind the end")
    if set(item) != {*FACTS, "hash"}:
        return Fault(walk.last.seq + 1, f"line {number} is no row of the log")
    return walk.step(item, item["hash"])


def _before(item: dict[str, Any], number: int) -> Link:
    """Where a file without a head begins, by its first row."""
    seq = item.get("seq")
    return _link(f"{seq - 1 if isinstance(seq, int) else seq}:{item.get('previous', FIRST)}", number)


def _link(text: object, number: int) -> Link:
    try:
        return chain.link(str(text))
    except ValueError:
        raise InvalidInput(
            f"line {number} of the file does not say where the log begins or ends", field="file"
        ) from None


def _lines(file: Path, *, packed: bool) -> Iterator[dict[str, Any]]:
    try:
        with gzip.open(file, "rt") if packed else file.open() as stream:
            for number, line in enumerate(stream, 1):
                item = json.loads(line)
                if not isinstance(item, dict):
                    raise InvalidInput(f"line {number} of the file is no row of the log", field="file")
                yield item
    except FileNotFoundError:
        raise NotFound(f"there is no {file}") from None
    except (ValueError, EOFError, gzip.BadGzipFile):
        raise InvalidInput("the file is cut off, or not an export of the audit log", field="file") from None
