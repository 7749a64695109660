"""The README tells what there is: generated tables are fresh, commands exist, links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from functions.shared import config
from infra import readme

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text()
SHELL = "\n".join(re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL))


def test_the_generated_parts_are_fresh() -> None:
    assert readme.filled(TEXT) == TEXT, "run `python -m infra.generate`"


def test_every_setting_is_there() -> None:
    names = {f"GTV_{name.upper()}" for kind in config.all_kinds() for name in kind.model_fields} | set(
        config.OTHER_NAMES
    )
    assert names <= set(re.findall(r"`(GTV_[A-Z0-9_]+)", TEXT))


def test_no_setting_is_there_that_does_not_exist() -> None:
    assert not config.unknown_settings(re.findall(r"GTV_[A-Z0-9_]+[A-Z0-9]", TEXT))


def test_every_command_is_there() -> None:
    paths = [path for path, _ in readme.commands()]
    assert len(paths) > 20
    assert all(f"| `{path}` |" in TEXT for path in paths)
    assert all(text for _, text in readme.commands())


def test_the_commands_that_it_names_exist() -> None:
    known = {path for path, _ in readme.commands()}
    named = {" ".join(words.split()) for words in re.findall(r"gtvision((?: [a-z][a-z-]*)+)", SHELL)}
    assert named
    for words in named:
        parts = words.split()
        assert any(f"gtvision {' '.join(parts[:count])}" in known for count in range(1, len(parts) + 1)), words


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:^|`)make ([a-z-]+)", TEXT, re.MULTILINE))))
def test_the_targets_of_make_exist(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(((?!https?:)[^)#]+)\)", TEXT))))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


def test_every_room_is_in_the_table() -> None:
    for handler in sorted((ROOT / "functions").glob("*/handler.py")):
        assert f"| `functions/{handler.parent.name}/` |" in TEXT
