"""The README tells what there is: generated tables are fresh, commands exist, links lead somewhere."""

from __future__ import annotations

import fnmatch
import importlib.util
import re
from pathlib import Path

import pytest

from cli.demo.scenes import CAMERAS, plates_of
from cli.stack import parts
from functions.cameras.sheet import COLUMNS
from functions.shared import config
from infra import generate, readme, stack

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


@pytest.mark.parametrize("anchor", sorted(set(re.findall(r"\]\(#([^)]+)\)", TEXT))))
def test_links_within_it_lead_to_a_heading(anchor: str) -> None:
    headings = re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    assert anchor in {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_plates_that_the_first_steps_look_for_drive_by_in_the_demo() -> None:
    steps = TEXT[TEXT.index("## Try it") : TEXT.index("## Your own cameras")]
    (pattern,) = re.findall(r"--plate '(\S+)'", steps)
    plates = [plate.text for camera in CAMERAS for plate in plates_of(camera)]
    assert fnmatch.filter(plates, pattern)


def test_every_column_of_the_cameras_csv_is_named() -> None:
    (told,) = re.findall(r"The CSV of `cameras import`.*?\n\n", TEXT, re.DOTALL)
    assert set(COLUMNS) <= set(re.findall(r"`([a-z_]+)`", told))


def test_the_images_that_are_built_are_those_of_the_manifests() -> None:
    (loop,) = re.findall(r"for folder in ([a-z_ ]+); do", SHELL)
    assert set(loop.split()) == {function.folder for function in stack.functions()}
    (others,) = re.findall(r"for part in ([a-z ]+); do", SHELL)
    texts = "".join(generate.manifests(stack.functions(names={"REGISTRY": "r", "TAG": "1"})).values())
    built = {folder.replace("_", "-") for folder in loop.split()} | set(others.split())
    assert built == set(re.findall(r"image: r/([a-z-]+):1", texts))


def test_what_is_applied_and_waited_for_is_in_the_manifests() -> None:
    texts = generate.manifests(stack.functions())
    for place in re.findall(r"-f deploy/(\S+)", SHELL):
        assert any(path == place or path.startswith(f"{place}/") for path in texts), place
    named = set(re.findall(r"(?:job/|delete job |pod/|delete pod )(gt-vision-[a-z-]+)", SHELL))
    assert len(named) == 3
    assert named <= set(re.findall(r"name: (gt-vision-[a-z-]+)", "".join(texts.values())))


def test_the_units_of_one_server_start_what_there_is() -> None:
    modules = set(re.findall(r"python -m ([a-z_.]+)", TEXT)) | set(re.findall(r"uvicorn ([a-z_.]+):app", TEXT))
    assert {"functions.embedded", "capture", "functions.post_processing.handler", "functions.auth.rescue"} <= modules
    assert all(importlib.util.find_spec(name) for name in modules), modules
    local = parts.nats_config(Path("/x"), 4222, 8222, {})
    (limit,) = re.findall(r"max_payload: \S+", TEXT[TEXT.index("nats.conf`, ") : TEXT.index("In front of it")])
    assert limit in local


def test_metrics_that_are_to_be_watched_exist() -> None:
    named = set(re.findall(r"`(gtv_[a-z_]+)`", TEXT[TEXT.index("### What to watch") : TEXT.index("### Backups")]))
    code = "".join(file.read_text() for room in ("functions", "capture") for file in (ROOT / room).rglob("*.py"))
    assert len(named) >= 6
    assert all(f'"{name}"' in code for name in named), named
