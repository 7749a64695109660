"""`gtvision privacy report | erase | lookups | allow`: what the law gives the person behind a plate, and who looks."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.output import AsJson, cell, print_json, print_table, say
from cli.state import api
from functions.shared.errors import InvalidInput
from functions.shared.exits import UNAVAILABLE

app = typer.Typer(no_args_is_help=True, help="A person's data: report and erasure by plate; who looks up how much.")
Plate = Annotated[
    str, typer.Argument(metavar="PLATE", help="A whole plate; its twin in the other numbering counts too.")
]
Reason = Annotated[str, typer.Option(help="Why: the number of the request; it is kept in the audit log.")]


@app.command()
def report(
    ctx: typer.Context,
    plate: Plate,
    reason: Reason,
    zip_: Annotated[
        Path | None, typer.Option("--zip", help="File to write: the report, every picture, and their SHA-256.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Everything that is stored on a plate and its twin, by article 18 of the LGPD."""
    if zip_ is not None and zip_.exists():
        raise InvalidInput(f"{zip_} is there already; name another file", field="zip")
    with api(ctx) as client:
        found = client.call("POST", "/api/privacy/report", slow=True, json={"plate": plate, "reason": reason})
        missing = _write_zip(client, found, zip_) if zip_ is not None else 0
    if as_json:
        print_json(found)
        return
    say(f"[bold]{' / '.join(found['plates'])}[/]")
    for name in ("detections", "corrections", "alerts", "pictures", "holds", "lookups"):
        say(f"  {name}: {len(found[name])}")
    for place, number in found["elsewhere"].items():
        say(f"  {cell(place)}: {number}")
    if found["possible"]:
        say(f"  possible: {len(found['possible'])} (read as another plate or none, and not corrected: look at them"
            " and correct them before you hand on any; --json has them, the file of --zip has not)")  # fmt: skip
    if not found["complete"]:
        say("[yellow]There is more than one report holds.[/]")
    if zip_ is not None:
        say(f"Written to {cell(str(zip_))}." + (f" {missing} pictures are not in the store." if missing else ""))


def _write_zip(client: Any, found: dict[str, Any], path: Path) -> int:
    """Report, pictures and their hashes; how many pictures are not there any more."""
    path.touch(mode=0o600)
    sums, missing = list[str](), 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:

        def put(name: str, data: bytes) -> None:
            file.writestr(name, data)
            sums.append(f"{hashlib.sha256(data).hexdigest()}  {name}\n")

        # What may be somebody else's is not in what is handed on.
        sure = {name: value for name, value in found.items() if name != "possible"}
        put("report.json", json.dumps(sure, ensure_ascii=False, indent=2).encode())
        for item in found["pictures"]:
            place, _, query = item["url"].partition("?")
            data = client.picture(place, **dict(part.split("=") for part in query.split("&") if part))
            if data is None:
                missing += 1
            else:
                put(f"pictures/{item['of']}-{item['kind']}.jpg", data)
        file.writestr("SHA256SUMS", "".join(sums))
    return missing


@app.command()
def erase(  # noqa: PLR0913  each is an option of the command line
    ctx: typer.Context,
    plate: Plate,
    reason: Reason,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would go and change nothing.")] = False,
    possible: Annotated[
        bool, typer.Option("--possible", help="Also passages that may be of the plate, as the report lists them.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete what is stored on a plate and its twin, with a proof. A legal hold refuses it."""
    body = {"plate": plate, "reason": reason, "possible": possible}
    with api(ctx) as client:
        if not dry_run and not yes:
            seen = client.call("POST", "/api/privacy/erase", slow=True, json=body | {"dry_run": True})
            told = ", ".join(f"{number} {name}" for name, number in seen["counts"].items() if number)
            typer.confirm(f"Erase {' / '.join(seen['plates'])} for good ({told or 'nothing'})?", abort=True, err=True)
        found = client.call("POST", "/api/privacy/erase", slow=True, json=body | {"dry_run": dry_run})
    if as_json:
        print_json(found)
    else:
        _print_erasure(found)
    if not dry_run and any(found["remaining"].values()):
        raise typer.Exit(UNAVAILABLE)


def _print_erasure(found: dict[str, Any]) -> None:
    head = "Would go" if found["dry_run"] else "Erased"
    rows = ((name, number) for name, number in found["counts"].items())
    print_table((head, "Number"), rows, "")
    if found["possible"]:
        say(f"[yellow]{found['possible']} passages that may be of the plate stay; --possible takes them, too.[/]")
    left = {name: number for name, number in found["remaining"].items() if number}
    if not found["dry_run"]:
        for name, number in left.items():
            say(f"[yellow]{number} left in {cell(name)}[/]")
        say(f"Proof: SHA-256 {found['proof_sha256']} (run {found['run_id']})")
    for name, why in found["kept"].items():
        say(f"Not touched: {name} - {cell(why)}")


@app.command()
def lookups(ctx: typer.Context, as_json: AsJson = False) -> None:
    """How much each person looked up in the past hour and day."""
    with api(ctx) as client:
        found = client.get("/api/privacy/lookups")
    if as_json:
        print_json(found)
        return
    rows = (
        (item["username"], item["hour"], item["day"], ", ".join(item["over"]) or "-", item["user_id"])
        for item in found["items"]
    )
    print_table(("Who", "Past hour", "Past day", "Over the limit", "Id"), rows, "Nobody looked anything up.")
    say(f"Limits: {found['limit_hour'] or 'none'} an hour, {found['limit_day'] or 'none'} a day"
        + ("; more is refused." if found["stop"] else "; more raises an alarm."))  # fmt: skip


@app.command()
def allow(
    ctx: typer.Context,
    user_id: Annotated[str, typer.Argument(metavar="USER", help="Id of the user; `gtvision privacy lookups` has it.")],
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Let somebody who is over the limit look up more: their counts begin anew."""
    with api(ctx) as client:
        found = client.call("POST", f"/api/privacy/lookups/{user_id}/allow", json={"reason": reason})
    if as_json:
        print_json(found)
    else:
        say("Their counts begin anew.")
