"""`gtvision audit`, `retention` and `privacy` against a running platform."""

from __future__ import annotations

import asyncio
import gzip
import json
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest

from cli.audit import checked
from functions.shared.contracts import new_id, now
from functions.shared.db import Database
from functions.shared.errors import InvalidInput
from functions.shared.store import image_key
from functions.shared.tables import Detection
from tests.cli.conftest import Platform

WHY = ("--reason", "request 15/2026")


def seed(platform: Platform, plate: str, days: float, maybe: str | None = None) -> str:
    """A passage with its two pictures, as the platform's reader would have left it."""
    data = Path(platform.environ["GTV_DATA_DIR"])
    at = now() - timedelta(days=days)
    keys = [image_key(kind, "gate", at, new_id()) for kind in ("vehicles", "plates")]
    for key in keys:
        (data / "images" / key).parent.mkdir(parents=True, exist_ok=True)
        (data / "images" / key).write_bytes(b"\xff\xd8 picture \xff\xd9")
    row = Detection(
        id=new_id(), camera_id="gate", started_at=at, ended_at=at, final=True, plate=plate, plate_reversed=plate[::-1],
        plate_read=plate, corrected=False, uncertain=False, observation_count=1, correlation_id="c",
        candidates=[] if maybe is None else [{"text": maybe, "confidence": 0.3}],
        created_at=at, updated_at=at, stationary=False, best_score=1.0, snapshot_key=keys[0],
        plate_snapshot_key=keys[1],
    )  # fmt: skip

    async def write() -> None:
        database = Database(f"sqlite+aiosqlite:///{data / 'gtvision.db'}")
        async with database.transaction() as session:
            session.add(row)
        await database.close()

    asyncio.run(write())
    return row.id


def test_the_log_is_listed_proven_and_handed_out(platform: Platform, tmp_path: Path) -> None:
    platform("retention", "policy", "corrections", "--days", "90", "--reason", "decree 1")
    listed = platform("audit", "list", "--action", "retention.*", "--json")
    assert listed.code == 0, listed.err
    row = listed.json["items"][0]
    assert (row["actor"], row["action"], row["reason"]) == ("admin", "retention.policy", "decree 1")
    assert "decree 1" in platform("audit", "list").out
    proven = platform("audit", "verify", "--json")
    assert (proven.code, proven.json["whole"]) == (0, True), proven.out
    assert platform("audit", "verify", "--noted", proven.json["head"]).code == 0
    other = proven.json["head"].split(":")[0] + ":" + "a" * 64
    assert platform("audit", "verify", "--noted", other).code == 9
    assert platform("audit", "verify", "--noted", "nonsense").code == 2
    for name in ("audit.jsonl", "audit.jsonl.gz"):
        file = tmp_path / name
        exported = platform("audit", "export", str(file), "--json")
        assert exported.code == 0, exported.err
        assert file.stat().st_mode & 0o077 == 0
        again = platform("audit", "verify", "--file", str(file), "--json")
        assert (again.code, again.json["whole"], again.json["ended"]) == (0, True, True)
        assert again.json["head"] == exported.json["head"]
    assert platform("audit", "export", str(file)).code == 2
    part = platform("audit", "export", str(tmp_path / "part.jsonl"), "--from-seq", "2", "--until", "3", "--json")
    assert (part.json["rows"], part.json["whole"]) == (2, True)


def test_a_file_that_somebody_changed_does_not_hold(platform: Platform, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    assert platform("audit", "list").code == 0
    assert platform("audit", "export", str(file)).code == 0
    lines = file.read_text().splitlines()
    changed = json.loads(lines[1]) | {"actor": "nobody"}
    whole = {
        "a row changed": [lines[0], json.dumps(changed), *lines[2:]],
        "a row out": [lines[0], *lines[2:]],
        "a row twice": [lines[0], lines[1], *lines[1:]],
        "the end cut off": [*lines[:-2], lines[-1]],
        "a second beginning": [*lines[:2], lines[0], *lines[2:]],
        "rows behind the end": [*lines, lines[1]],
    }
    for what, kept in whole.items():
        bad = tmp_path / f"{what}.jsonl"
        bad.write_text("\n".join(kept) + "\n")
        assert checked(bad, None, packed=False)["whole"] is False, what
    done = platform("audit", "verify", "--file", str(bad), "--json")
    assert (done.code, done.json["whole"]) == (9, False)
    # Without its last line the file tells nothing of what follows, and says so.
    open_end = tmp_path / "open.jsonl"
    open_end.write_text("\n".join(lines[:-1]) + "\n")
    assert "rows behind it may be missing" in platform("audit", "verify", "--file", str(open_end)).out
    (tmp_path / "no.jsonl").write_text("hello\n")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(file.read_bytes())[:-20])
    for name in ("no.jsonl", "cut.gz"):
        with pytest.raises(InvalidInput):
            checked(tmp_path / name, None, packed=name.endswith(".gz"))
    assert platform("audit", "verify", "--file", str(tmp_path / "nowhere")).code == 4


def test_retention_by_hand(platform: Platform) -> None:
    seed(platform, "OLD1A11", 40)
    held = seed(platform, "HLD1A11", 40)
    made = platform(
        "retention", "holds", "add", "--case", "IP 7", "--reason", "robbery", "--plate", "hld-1a11", "--json"
    )
    assert made.code == 0, made.err
    assert "HLD1A11" in platform("retention", "holds", "list").out
    foreseen = platform("retention", "run", "--dry-run", "--json")
    assert foreseen.json["report"]["classes"]["detections"] | {"cutoff": ""} == {
        "days": 30, "cutoff": "", "rows": 1, "images": 0, "bytes": 0, "held": 1, "needed": 0,
    }  # fmt: skip
    done = platform("retention", "run")
    assert done.code == 0, done.err
    assert "done" in done.out
    assert platform("detections", "list", "--plate", "OLD1A11", "--json").json["items"] == []
    assert platform("detections", "show", held).code == 0
    assert "run" in platform("retention", "report").out
    newest = platform("retention", "report", "--json").json["items"][0]
    assert platform("retention", "report", newest["id"], "--json").json["report"]["classes"]["detections"]["rows"] == 1
    release = platform("retention", "holds", "release", made.json["id"], "--reason", "closed", "--json")
    assert release.json["in_force"] is False
    assert platform("retention", "reconcile", "--days", "3", "--json").json["state"] == "done"
    assert platform("retention", "run", "--json").json["report"]["classes"]["detections"]["rows"] == 1


def test_the_policy_is_shown_and_changed(platform: Platform) -> None:
    shown = platform("retention", "policy", "--json").json["items"]
    days = {item["name"]: item["days"] for item in shown}
    assert (days["detections"], days["images"], days["alerts"], days["audit"]) == (30, 30, 180, 1825)
    changed = platform("retention", "policy", "images", "--days", "15", "--reason", "decree 2", "--json")
    assert changed.json["items"][0]["days"] == 15
    assert platform("retention", "policy", "images").code == 2
    assert platform("retention", "policy", "images", "--default", "--json").json["items"][0]["days"] == 30
    assert platform("retention", "policy", "outbox", "--days", "3", "--reason", "why not").code == 2
    assert "passages" in platform("retention", "policy").out


def test_a_persons_report_and_erasure(platform: Platform, tmp_path: Path) -> None:
    row = seed(platform, "DSR1A11", 2)
    file = tmp_path / "report.zip"
    told = platform("privacy", "report", "dsr-1a11", *WHY, "--zip", str(file), "--json")
    assert told.code == 0, told.err
    assert [item["id"] for item in told.json["detections"]] == [row]
    with zipfile.ZipFile(file) as found:
        assert sorted(found.namelist()) == sorted([
            "SHA256SUMS", "report.json", f"pictures/{row}-vehicle.jpg", f"pictures/{row}-plate.jpg",
        ])  # fmt: skip
        assert len(found.read("SHA256SUMS").splitlines()) == 3
    assert file.stat().st_mode & 0o077 == 0
    foreseen = platform("privacy", "erase", "DSR1A11", *WHY, "--dry-run", "--json")
    assert (foreseen.json["counts"]["detections"], foreseen.json["counts"]["pictures"]) == (1, 2)
    assert platform("privacy", "erase", "DSR1A11", *WHY, given="n\n").code == 130
    assert platform("detections", "show", row).code == 0
    done = platform("privacy", "erase", "DSR1A11", *WHY, given="y\n")
    assert done.code == 0, done.err
    assert "Proof: SHA-256" in done.out
    assert platform("detections", "show", row).code == 4
    assert platform("privacy", "report", "DSR1A11", *WHY, "--json").json["detections"] == []
    assert platform("privacy", "report", "DSR*", *WHY).code == 2


def test_what_may_be_of_the_plate_is_told_apart(platform: Platform, tmp_path: Path) -> None:
    row = seed(platform, "XYZ9K88", 2, maybe="DSR2A22")
    file = tmp_path / "report.zip"
    told = platform("privacy", "report", "DSR2A22", *WHY, "--zip", str(file))
    assert "possible: 1" in told.out
    with zipfile.ZipFile(file) as found:
        assert sorted(found.namelist()) == ["SHA256SUMS", "report.json"]
        assert row not in found.read("report.json").decode()
    done = platform("privacy", "erase", "DSR2A22", *WHY, "--yes")
    assert done.code == 0, done.err
    assert "1 passages that may be of the plate stay" in done.out
    assert platform("detections", "show", row).code == 0
    done = platform("privacy", "erase", "DSR2A22", *WHY, "--yes", "--possible", "--json")
    assert done.code == 0, done.err
    assert done.json["counts"]["possible"] == 1
    assert platform("detections", "show", row).code == 4


def test_who_looks_up_how_much(platform: Platform) -> None:
    assert platform("privacy", "report", "AAA1A11", *WHY).code == 0
    found = platform("privacy", "lookups", "--json").json
    admin = next(item for item in found["items"] if item["username"] == "admin")
    assert admin["hour"] >= 1
    assert found["limit_hour"] == 120
    assert "admin" in platform("privacy", "lookups").out
    # Nobody allows themselves more.
    assert platform("privacy", "allow", admin["user_id"], *WHY).code == 3


def test_keys_rotate_seals_the_log_anew(platform: Platform) -> None:
    done = platform("keys", "rotate", "--json")
    assert done.code == 0, done.err
    assert done.json["audit_seals"] >= 1
    assert platform("audit", "verify").code == 0
