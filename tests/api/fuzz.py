"""Schemathesis against the whole platform: every check, every phase, as nobody and as each role that is asked for.

    .venv/bin/python -m tests.api.fuzz --cases 10000             # by hand: until so many cases were sent
    .venv/bin/python -m tests.api.fuzz --role admin --path /api/cameras --seed 7

What it finds it prints with a curl command that shows it again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from functions.shared import logs
from functions.shared.access import Role
from tests.api.served import Platform, platform
from tests.support.nats import NatsServer
from tests.support.postgres import Postgres, migrate

ROOT = Path(__file__).resolve().parents[2]
# The check `positive_data_acceptance` wants each request that fits the schema to be done. These have rules that a JSON
# schema cannot say, and answer 422 (or 400 for a file) when one is broken; the answer names the field and the reason.
# Every other operation is held to the check as it is.
BEYOND_SCHEMA = {
    "POST /api/auth/users": "passwords: common ones and the user's own name are refused",
    "PATCH /api/auth/users/{user_id}": "passwords, as above",
    "POST /api/auth/password": "passwords, as above",
    "POST /api/auth/api-keys": "the user is there, its role has a use for the permissions and it sees the groups",
    "POST /api/cameras": "the address: networks that are allowed; polygons: sides must not cross",
    "PATCH /api/cameras/{camera_id}": "address and polygons, as above",
    "POST /api/cameras/probe": "the address, as above",
    "POST /api/cameras/{camera_id}/restore": "the address, as above",
    "POST /api/cameras/onvif/probe": "the host has an address, in a network that is allowed",
    "POST /api/cameras/discover": "ranges are well formed, not too wide and in networks that are allowed",
    "GET /api/cameras/{camera_id}/history": "from lies before to, in the past, and at the most 92 days before it",
    "POST /api/cameras/import": "the file is CSV with a header of known columns",
    "POST /api/ingest/frames": "the body is a picture that decodes; times lie neither ahead nor before 2000",
    "POST /api/ingest/reads": "of a shape that senders have, with a known camera, and a time neither ahead nor of old",
    "POST /api/ingest/aliases": "the camera is there; characters that cannot be shown are refused",
    "POST /events": "the picture decodes, and attributes of a CloudEvent stand in headers",
    "GET /api/detections": "from lies before to, both within 1970..9998; * and ? need match=wildcard",
    "GET /api/detections/export.csv": "as GET /api/detections",
    "GET /api/detections/stats": "from lies before to, and at the most 92 days before it; the time zone is known",
    "GET /api/plates/{plate}/route": "from lies before to; the plate has letters or digits",
    "GET /api/plates/{plate}/companions": "as the route",
    "GET /api/corrections": "from lies before to, both within 1970..9998",
    "PATCH /api/detections/{detection_id}": "at least one field; a plate of a known alphabet, once taken apart",
    "POST /api/detections/reread": "a detection stands once in the list",
    "POST /api/hotlists": "valid_from lies before valid_until; groups are there; the hook may be asked, its body names "
    "what alerts have",
    "PATCH /api/hotlists/{hotlist_id}": "as POST /api/hotlists",
    "POST /api/hotlists/preview": "as POST /api/hotlists and its entries",
    "POST /api/hotlists/{hotlist_id}/entries": "a plate once taken apart; tolerance goes with fuzzy, * and ? with "
    "wildcard",
    "POST /api/hotlists/import": "the file is CSV with a header of known columns",
    "POST /api/webhooks": "the address may be asked; cameras and groups are there",
    "PATCH /api/webhooks/{webhook_id}": "as POST /api/webhooks",
    "POST /api/webhooks/{webhook_id}/replay": "from lies before to",
    "POST /api/webhooks/{webhook_id}/rotate-secret": "the secret is another than the present one",
    "GET /api/alerts": "from lies before to",
    "POST /api/retention/holds": "what is named is there; seen_from lies before seen_to, until ahead",
    "PUT /api/retention/policy/{class_name}": "some classes have fixed days, or none by group; the group is there",
    "GET /api/auth/audit": "from lies before to",
}
# `not_a_server_error` wants no 5xx. These ask a camera, and at an address that was made up stands none: 502.
NO_CAMERA = ("POST /api/cameras/probe", "POST /api/cameras/{camera_id}/probe", "POST /api/cameras/onvif/probe")
# Each call starts a process that talks to devices, a second of CPU: a few are enough, and no boundary values.
STARTS_PROCESS = (*NO_CAMERA, "POST /api/cameras/discover")
# Asked as nobody: as somebody they end the session that the rest of the run needs.
ENDS_SESSION = ("POST /api/auth/logout", "DELETE /api/auth/sessions", "DELETE /api/auth/sessions/{session_id}")
_ACCEPTED = ["2xx", "3xx", 401, 403, 404, 409, 429, "5xx", 400, 422]
_COUNT = re.compile(r"^\s*(\d+) generated", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """What one run of schemathesis came to."""

    who: str
    code: int
    cases: int
    output: str

    @property
    def findings(self) -> str:
        """Its output from the first failure on."""
        at = max(self.output.find("= FAILURES ="), self.output.find("= ERRORS ="), 0)
        return self.output[at:]


def configuration(folder: Path, header: dict[str, str], *, bodies_alone: bool = False) -> Path:
    """The file of settings of schemathesis. `bodies_alone`: boundary values of requests with a body, of no others."""
    lines = [
        f"hooks = {json.dumps(str(ROOT / 'tests/api/hooks.py'))}",
        "continue-on-failure = true",
        "request-timeout = 30.0",
        # The live feed has no end: its first event is enough.
        "max-stream-events = 1",
        "[headers]",
        *(f"{name} = {json.dumps(value)}" for name, value in header.items()),
    ]
    as_nobody = ENDS_SESSION if header else ()
    for name in sorted({*BEYOND_SCHEMA, *STARTS_PROCESS, *as_nobody}):
        lines += ["[[operations]]", f"include-name = {json.dumps(name)}"]
        if name in BEYOND_SCHEMA:
            lines.append(f"checks.positive_data_acceptance.expected-statuses = {json.dumps(_ACCEPTED)}")
        if name in as_nobody:
            lines.append('headers.Authorization = ""')
        if name in STARTS_PROCESS:
            lines += ["phases.coverage.enabled = false", "generation.max-examples = 2"]
        if name in NO_CAMERA:
            lines.append('checks.not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 502]')
    if bodies_alone:
        lines += ["[[operations]]", 'include-method = ["GET", "DELETE"]', "phases.coverage.enabled = false"]
    file = folder / "schemathesis.toml"
    file.write_text("\n".join(lines) + "\n")
    return file


def fuzz(
    served: Platform,
    role: Role | None,
    folder: Path,
    *arguments: str,
    timeout_s: float,
    document: dict[str, Any] | None = None,
    bodies_alone: bool = False,
) -> Run:
    """One run as a role; None is nobody. `arguments` are of `schemathesis run`, `document` another than its own;
    `bodies_alone` as in `configuration`."""
    who = role.value if role else "nobody"
    folder = folder / who
    folder.mkdir(parents=True, exist_ok=True)
    header = {"Authorization": f"Bearer {served.tokens[role]}"} if role else {}
    location = f"{served.url}/api/openapi.json"
    if document is not None:
        (folder / "openapi.json").write_text(json.dumps(document))
        location = str(folder / "openapi.json")
    settings = configuration(folder, header, bodies_alone=bodies_alone)
    command = [
        sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", str(settings), "run", location,
        "--url", served.url, "--checks", "all", *arguments,
    ]  # fmt: skip
    environment = {**os.environ, "GTV_FUZZ_IDS": json.dumps(served.ids)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    counted = _COUNT.search(done.stdout)
    return Run(who, done.returncode, int(counted[1]) if counted else 0, done.stdout + done.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000, help="send at least so many, in as many runs as it takes")
    parser.add_argument("--role", choices=["nobody", *(role.value for role in Role)], help="default: nobody and all")
    parser.add_argument("--path", help="operations of this path alone")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL instead of SQLite")
    parser.add_argument("--examples", type=int, default=60, help="of each operation and run")
    chosen = parser.parse_args()
    roles = [None, *Role] if chosen.role is None else [Role.of(chosen.role) if chosen.role != "nobody" else None]
    # One path alone has nothing that leads from one operation to another.
    narrowed = ["--include-path", chosen.path, "--phases", "examples,coverage,fuzzing"] if chosen.path else []
    logs.configure("ERROR", "console")
    sent, failed, seed = 0, 0, chosen.seed
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if chosen.postgres:
            database = stack.enter_context(Postgres()).fresh_database(migrated=True)
        else:
            database = f"sqlite+aiosqlite:///{folder / 'api.db'}"
            migrate(database)
        nats = stack.enter_context(NatsServer(folder / "nats"))
        with platform(folder, database, nats) as served:
            while sent < chosen.cases:
                for role in roles:
                    arguments = ("--seed", str(seed), "--max-examples", str(chosen.examples), *narrowed)
                    run = fuzz(served, role, folder, *arguments, timeout_s=7200)
                    sent, failed = sent + run.cases, failed + (run.code != 0)
                    how = "FINDINGS" if run.code else "as it should be"
                    print(f"seed {seed} as {run.who}: {run.cases} cases, {how}", flush=True)
                    if run.code:
                        print(run.findings)
                    if not run.cases:
                        return 1
                seed += 1
    print(f"{sent} cases, {failed} runs with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
