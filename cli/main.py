"""`gtvision`: a person's hands on the HTTP API, and the local run."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, cast

import typer

from cli import (
    account,
    alerts,
    aliases,
    audit,
    cameras,
    db,
    detections,
    groups,
    hotlists,
    keys,
    privacy,
    retention,
    status,
    users,
    webhooks,
)
from cli.lazy import Later, group_of
from cli.output import print_error
from cli.state import DEFAULT_URL, Root
from functions.shared.errors import GTVisionError, InvalidInput, StorageFull
from functions.shared.exits import CHECK_FAILED, EXITS, INTERRUPTED, OK, USAGE, exit_code

_CODES = {code: meaning for _, code, meaning in reversed(EXITS)} | {CHECK_FAILED: "what was checked did not hold"}
EPILOG = "Exit codes: 0 done; " + "; ".join(f"{code} {_CODES[code]}" for code in sorted(_CODES)) + "; 130 interrupted."
# The base of what the parser of the command line raises; Typer exports its leaves alone.
_CommandLineError: type[Exception] = cast(type[Exception], typer.BadParameter.__mro__[2])

LATER = {
    "up": Later("cli.local:app", "Start NATS, the functions and capture here, and keep them running until Ctrl-C."),
    "demo": Later(
        "cli.demo_run:app",
        "Start everything with cameras that show rendered streets, and keep it running until Ctrl-C.",
    ),
    "doctor": Later("cli.doctor:app", "Look at this machine and say what is missing or misconfigured."),
    "models": Later("cli.models.commands:app", "The models that find vehicles and read plates."),
    "bench": Later(
        "cli.bench.app:app", "Measure how well and how fast this machine reads, holds cameras and searches."
    ),
    "triton": Later("cli.triton:app", "Run the real Triton server on this machine's CPU, until Ctrl-C."),
}

app = typer.Typer(
    cls=group_of(LATER),
    name="gtvision", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich", epilog=EPILOG,
    help="Number plates that a city's cameras see: cameras, detections, and the whole platform on one machine.",
)  # fmt: skip


def _version(wanted: bool) -> None:
    if wanted:
        print(f"gtvision {version('gt-vision')}")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    url: Annotated[str, typer.Option(envvar="GTV_URL", help="Address of GT-Vision's API.")] = DEFAULT_URL,
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    ctx.obj = Root(url)


app.command("login")(account.login)
app.command("logout")(account.logout)
app.command("whoami")(account.whoami)
app.add_typer(cameras.app, name="cameras")
app.add_typer(groups.app, name="groups")
app.add_typer(aliases.app, name="aliases")
app.add_typer(detections.app, name="detections")
app.add_typer(hotlists.app, name="hotlists")
app.add_typer(alerts.app, name="alerts")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(audit.app, name="audit")
app.add_typer(retention.app, name="retention")
app.add_typer(privacy.app, name="privacy")
app.command("status")(status.status)
app.add_typer(db.app, name="db")
app.add_typer(users.app, name="users")
app.add_typer(keys.app, name="keys")
for _name, _later in LATER.items():
    app.add_typer(typer.Typer(), name=_name, help=_later.text)


def run(argv: Sequence[str]) -> int:
    """The exit code of one command line. What goes wrong is on stderr, as JSON where `--json` was asked for."""
    as_json = "--json" in argv
    try:
        answer = app(args=list(argv), prog_name="gtvision", standalone_mode=False)
    except GTVisionError as error:
        print_error(error, as_json)
        return exit_code(error)
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): nothing is wrong, and nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:
        full = _full(error)
        print_error(full, as_json)
        return exit_code(full)
    except _CommandLineError as error:
        return _usage(error, as_json)
    return answer if isinstance(answer, int) else OK


def _full(error: OSError) -> StorageFull:
    """A full disk, wherever it was met; anything else of the system's is a bug, and raised again."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        raise error
    where = f" while {error.filename} was written" if error.filename else ""
    return StorageFull(f"the disk is full{where}", mend="free space, or set GTV_DATA_DIR elsewhere; nothing is lost")


def _usage(error: Exception, as_json: bool) -> int:
    message = str(getattr(error, "message", "") or error)
    if as_json:
        print_error(InvalidInput(message), as_json)
    else:
        error.show()  # type: ignore[attr-defined]  # every error of the command line's parser shows itself
    return int(getattr(error, "exit_code", USAGE))


def main() -> None:
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
