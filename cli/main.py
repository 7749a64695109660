"""`gtvision`: a person's hands on the HTTP API, and the local run."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, cast

import typer

from cli import account, cameras, db, demo_run, detections, doctor, keys, local, status, triton
from cli.bench.app import app as bench_app
from cli.models.commands import app as models_app
from cli.output import print_error
from cli.state import DEFAULT_URL, Root
from functions.shared.errors import GTVisionError, InvalidInput
from functions.shared.exits import EXITS, INTERRUPTED, OK, USAGE, exit_code

_CODES = {code: meaning for _, code, meaning in reversed(EXITS)}
EPILOG = "Exit codes: 0 done; " + "; ".join(f"{code} {_CODES[code]}" for code in sorted(_CODES)) + "; 130 interrupted."
# The base of what the parser of the command line raises; Typer exports its leaves alone.
_CommandLineError: type[Exception] = cast(type[Exception], typer.BadParameter.__mro__[2])

app = typer.Typer(
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
app.add_typer(detections.app, name="detections")
app.command("status")(status.status)
app.command("up")(local.up)
app.add_typer(demo_run.app, name="demo")
app.command("doctor")(doctor.doctor)
app.add_typer(models_app, name="models")
app.add_typer(bench_app, name="bench")
app.add_typer(triton.app, name="triton")
app.add_typer(db.app, name="db")
app.add_typer(keys.app, name="keys")


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
    except _CommandLineError as error:
        return _usage(error, as_json)
    return answer if isinstance(answer, int) else OK


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
