"""stack.yml is what faas-cli takes, and names every function there is."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from functions.shared import config
from infra import stack

DOCUMENT = stack.load()
FUNCTIONS = stack.functions()


def test_it_names_every_folder_with_a_handler_and_no_other() -> None:
    folders = {handler.parent.name for handler in (stack.ROOT / "functions").glob("*/handler.py")}
    assert {function.folder for function in FUNCTIONS} == folders
    assert all(function.name == function.folder.replace("_", "-") for function in FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_settings_and_secrets_are_ones_that_exist(function: stack.Function) -> None:
    given = set(function.environment) | {name.upper().replace("-", "_") for name in function.secrets}
    assert not config.unknown_settings(given)
    assert all(name.startswith(config.ENV_PREFIX) for name in given)
    kind = config.ReaderSettings if function.folder == "post_processing" else config.FunctionSettings
    known = {config.ENV_PREFIX + name.upper() for name in kind.model_fields}
    assert given <= known, f"{function.name} does not read {given - known}"


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_no_secret_stands_in_the_open(function: stack.Function) -> None:
    secret = {"GTV_DATABASE_URL"}
    for kind in config.all_kinds():
        fields = kind.model_fields.items()
        secret |= {f"GTV_{name.upper()}" for name, field in fields if "SecretStr" in str(field.annotation)}
    assert not secret & set(function.environment)
    assert "@" not in "".join(function.environment.values())


def test_images_bear_the_version_and_the_name_of_their_function() -> None:
    for function in FUNCTIONS:
        assert function.image.endswith(f"/{function.name}:0.1.0")


def changed(**how: Any) -> Any:
    document = copy.deepcopy(DOCUMENT)
    for path, value in how.items():
        *parents, last = path.split("__")
        place = document
        for name in parents:
            place = place[name.replace("post_processing", "post-processing")]
        place[last] = value
    return document


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"service": {}}, "service is unknown"),
        ({"version": "2.0"}, "version"),
        ({"provider__name": "faas"}, "openfaas"),
        ({"provider__network": "x"}, "provider.network"),
        ({"functions__auth__enviroment": {}}, "enviroment is unknown"),
        ({"functions__auth__secrets": "gtv-database-url"}, "secrets has the wrong type"),
        ({"functions__auth__environment": {"A": 1}}, "environment must be a mapping of texts"),
        ({"functions__auth__build_args": ["FUNCTION=auth"]}, "build_args has the wrong type"),
        ({"functions__auth__labels": {"com.openfaas.scale.zero": "true"}}, "refuses com.openfaas.scale.zero"),
        ({"functions__auth__labels": {"com.openfaas.scale.max": "20"}}, "refuses com.openfaas.scale.max"),
        ({"functions__auth__handler": "./nowhere"}, "there is no ./nowhere"),
        ({"functions__auth__limits": {"cpu": "1"}}, "memory is missing in limits"),
        ({"functions__Auth_2": {"lang": "x", "handler": ".", "image": "x"}}, "not a DNS name"),
        ({"configuration__copy": ["../elsewhere"]}, "inside the project"),
        ({"configuration__copy": ["."]}, "inside the project"),
    ],
)
def test_what_faas_cli_would_ignore_or_refuse_is_said(how: dict[str, Any], said: str) -> None:
    assert stack.problems(DOCUMENT) == []
    assert any(said in problem for problem in stack.problems(changed(**how))), stack.problems(changed(**how))


def test_substitution_takes_the_default() -> None:
    text = "${REGISTRY:-a.example/b}/x:${TAG:-1}${NONE}"
    assert stack.substituted(text) == "a.example/b/x:1"
    assert stack.substituted(text, {"TAG": "2", "REGISTRY": ""}) == "a.example/b/x:2"


def test_a_literal_dollar_would_be_substituted_away() -> None:
    """faas-cli replaces $NAME everywhere, so that KEDA's account "$G" must not come from stack.yml."""
    assert "$" not in stack.substituted(stack.STACK.read_text()).replace("${NAME:-default}", "")
