"""What lies in the repository: nothing secret, nothing of one machine, decisions in one form, the licence as it is."""

from __future__ import annotations

import hashlib
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.support.require import missing

ROOT = Path(__file__).resolve().parents[2]
DECISIONS = sorted((ROOT / "infra" / "decisions").glob("*.md"))
SECTIONS = ["Status", "Context", "Decision", "Consequences", "Alternatives"]


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        missing("not a git checkout")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def texts() -> list[tuple[Path, str]]:
    found = []
    for file in tracked():
        try:
            found.append((file, file.read_text()))
        except UnicodeDecodeError:
            continue
    return found


# Spelled so that this file does not find itself.
FOREIGN = {
    "a folder of one machine": r"(?<![\w.$}/])/(?:work|root|home/\w+|Users/\w+)/(?!\.\.\.)[\w.-]+",
    "an index of packages": r"--(?:extra-)?index-url\s+https?://|--find-links\s+\S+/",
    "a private key": "-----BEGIN (?:RSA |EC |OPENSSH )?PRIVATE" + " KEY-----",
    "an access key": r"\b(?:AKIA[0-9A-Z]{16}|ghp_[A-Za-z0-9]{36}|xox[bp]-[0-9A-Za-z-]{20,})\b",
    "a Fernet key": r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{43}=(?![A-Za-z0-9_=-])",
    "an unfinished merge": "^<{7} |^>{7} ",
}


@pytest.mark.parametrize("what", FOREIGN)
def test_nothing_foreign_is_tracked(what: str) -> None:
    pattern = re.compile(FOREIGN[what], re.MULTILINE)
    found = [
        f"{file.relative_to(ROOT)}: {hit.group()}"
        for file, text in texts()
        if (hit := pattern.search(text)) is not None
    ]
    assert found == []


def test_nothing_made_is_tracked() -> None:
    made = {".onnx", ".pt", ".h5", ".pyc", ".db", ".mp4", ".whl", ".so"}
    # The one network that is our own: its weights are trained by triton_models/training and committed with their log.
    own = ROOT / "triton_models" / "plate_reader" / "1" / "model.onnx"
    assert [file for file in tracked() if (file.suffix in made or file.name == ".env") and file != own] == []
    assert own.stat().st_size < 4_000_000
    large = [file for file in tracked() if file.stat().st_size > 1_000_000 and file != own]
    assert large == [], "large files make every clone slow"


def test_the_licence_is_the_official_text() -> None:
    text = (ROOT / "LICENSE").read_bytes()
    # https://www.gnu.org/licenses/agpl-3.0.txt
    assert hashlib.sha256(text).hexdigest() == "0d96a4ff68ad6d4b6f1f30f713b18d5184912ba8dd389f86aa7710db079abcb0"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["license"] == "AGPL-3.0-or-later"


@pytest.mark.parametrize("file", DECISIONS, ids=lambda file: file.stem)
def test_a_decision_has_its_five_sections_on_one_page(file: Path) -> None:
    text = file.read_text()
    assert re.fullmatch(r"\d{4}-[a-z0-9-]+", file.stem)
    assert text.startswith(f"# {file.stem[:4]}: ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    assert re.search(r"^## Status\n(Accepted|Superseded by \d{4}), \d{4}-\d{2}-\d{2}\.$", text, re.MULTILINE)
    assert len(text.splitlines()) <= 60


def test_decisions_are_numbered_without_a_gap_or_a_double() -> None:
    assert [int(file.stem[:4]) for file in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_the_changelog_knows_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    titles = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert titles[0] == "Unreleased"
    assert titles[1] == version


def test_images_and_manifests_bear_the_version() -> None:
    from infra import pods

    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == pods.VERSION
