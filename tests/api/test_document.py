"""The OpenAPI document is complete, of every function alone and of all together."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from functions import embedded
from functions.shared.access import ACCESS, PUBLIC, Rule
from functions.shared.openapi import METHODS, as_3_0
from functions.shared.openapi_texts import ERRORS, TAGS
from functions.shared.web import STATUS

Json = dict[str, Any]
ROOMS = sorted(path.parent.name for path in Path(embedded.__file__).parent.glob("*/handler.py"))
DOCUMENT: Json = embedded.app.openapi()
OPERATIONS: list[tuple[str, str, Json]] = [
    (path, method, item[method]) for path, item in DOCUMENT["paths"].items() for method in METHODS if method in item
]
NAMES = [f"{method.upper()} {path}" for path, method, _ in OPERATIONS]
each = pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=NAMES)


def resolved(node: Json) -> Json:
    """What a `$ref` points to."""
    while "$ref" in node:
        found: Any = DOCUMENT
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        node = found
    return node


def rule_of(method: str, path: str) -> Rule | None:
    """The row of the table; OpenAPI knows no converters of paths."""
    wanted = f"{method.upper()} {path}"
    return next(rule for name, rule in ACCESS.items() if name.replace(":path}", "}") == wanted)


def test_it_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert len(OPERATIONS) > 30
    assert DOCUMENT["info"]["description"]


@each
def test_every_status_of_a_route_of_this_shape_is_there(path: str, method: str, operation: Json) -> None:
    """Said again here and not asked of the code: whoever changes the rule changes both."""
    rule = rule_of(method, path)
    expected = {"429", "503", "504"}
    if rule is not PUBLIC:
        expected |= {"401", "403"}
    if "{" in path:
        expected |= {"404", "422"}
    if "requestBody" in operation:
        expected |= {"400", "408", "413", "422"}
    if operation.get("parameters"):
        expected.add("422")
    if method in ("patch", "put", "delete") or (method == "post" and "{" in path):
        expected.add("409")
    assert expected <= operation["responses"].keys()
    # A redirect is an answer of success where a browser signs in at another site.
    assert any(status.startswith(("2", "3")) for status in operation["responses"])


@each
def test_every_error_has_the_one_shape(path: str, method: str, operation: Json) -> None:
    errors = {status: resolved(answer) for status, answer in operation["responses"].items() if status[0] in "45"}
    for status, answer in errors.items():
        assert answer["content"].keys() == {"application/json"}, status
        assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Error"}
        jsonschema.validate(
            answer["content"]["application/json"]["example"], DOCUMENT["components"]["schemas"]["Error"]
        )
        assert "X-Correlation-ID" in answer["headers"]
        assert ("Retry-After" in answer["headers"]) == (status in ("429", "503"))
    assert {"RateLimit", "RateLimit-Policy", "RateLimit-Remaining"} <= errors["429"]["headers"].keys()


@each
def test_every_parameter_and_operation_is_described(path: str, method: str, operation: Json) -> None:
    """A room describes its own; what several share stands in functions/shared/openapi_texts.py."""
    assert operation["summary"]
    assert operation["description"].strip(), "give the handler a docstring"
    dumb = [parameter["name"] for parameter in operation.get("parameters", ()) if not parameter.get("description")]
    assert not dumb, f"without a description: {', '.join(dumb)}"


@each
def test_operations_have_names_and_rooms(path: str, method: str, operation: Json) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]+", operation["operationId"])
    assert [TAGS[tag] for tag in operation["tags"]], "name the room's tag in openapi_texts.TAGS"


def test_names_are_distinct_and_stay() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names)
    # Clients are generated from them.
    assert {"auth_login", "cameras_list_cameras", "ingest_frames", "search_detections", "console_status"} <= set(names)


@each
def test_security_is_what_the_table_of_access_says(path: str, method: str, operation: Json) -> None:
    rule = rule_of(method, path)
    schemes = {name for way in operation["security"] for name in way}
    assert schemes <= DOCUMENT["components"]["securitySchemes"].keys()
    if rule is PUBLIC:
        assert schemes == set()
        return
    assert {"bearer", "cookie"} <= schemes
    assert ("basic" in schemes) == bool(rule.permission), "keys may come by Basic, where they may come at all"
    assert all(f"`{role.value}`" in operation["description"] for role in rule.roles)


def test_what_is_made_leads_to_what_can_be_done_with_it() -> None:
    made = DOCUMENT["paths"]["/api/cameras"]["post"]["responses"]["201"]
    assert {"cameras_show_camera", "cameras_update_camera", "cameras_delete_camera"} <= made["links"].keys()
    assert {"Location", "ETag", "Idempotent-Replayed"} <= made["headers"].keys()
    names = {operation["operationId"] for _, _, operation in OPERATIONS}
    for _, _, operation in OPERATIONS:
        for answer in operation["responses"].values():
            for link in resolved(answer).get("links", {}).values():
                assert link["operationId"] in names
    assert "ETag" in DOCUMENT["paths"]["/api/cameras/{camera_id}"]["get"]["responses"]["200"]["headers"]


@each
def test_examples_hold(path: str, method: str, operation: Json) -> None:
    media = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    if "example" in media:
        schema = {**media["schema"], "components": DOCUMENT["components"]}
        jsonschema.Draft202012Validator(schema).validate(media["example"])


def test_the_main_bodies_have_examples() -> None:
    for path in ("/api/auth/login", "/api/auth/users", "/api/cameras", "/api/cameras/probe", "/api/groups"):
        assert "example" in DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"], path


@each
def test_files_have_their_type(path: str, method: str, operation: Json) -> None:
    kinds = {".jpg": "image/jpeg", ".csv": "text/csv", ".pdf": "application/pdf"}
    for end, kind in kinds.items():
        if path.endswith(end):
            assert kind in operation["responses"]["200"]["content"]


def test_every_error_of_ours_has_words() -> None:
    assert {status for _, status in STATUS} <= ERRORS.keys()


def test_nothing_of_the_framework_is_left() -> None:
    assert not {"HTTPValidationError", "ValidationError"} & DOCUMENT["components"]["schemas"].keys()
    assert "HTTPValidationError" not in str(DOCUMENT)


@pytest.mark.parametrize("room", ROOMS)
def test_a_function_alone_has_its_own(room: str) -> None:
    alone = import_module(f"functions.{room}.handler").app.openapi()
    for path, item in alone["paths"].items():
        for method, operation in item.items():
            together = DOCUMENT["paths"][path][method]
            assert operation["operationId"] == together["operationId"]
            assert operation["responses"].keys() == together["responses"].keys()


def walk(node: Any) -> Any:
    yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from walk(child)


def test_the_older_form_has_all_of_it_in_words_of_3_0() -> None:
    older = as_3_0(DOCUMENT)
    assert older["openapi"] == "3.0.3"
    assert older["paths"].keys() == DOCUMENT["paths"].keys()
    assert older["components"]["schemas"].keys() == DOCUMENT["components"]["schemas"].keys()
    schemas = [
        *older["components"]["schemas"].values(),
        *(
            node["schema"]
            for node in walk(older["paths"])
            if isinstance(node, dict) and isinstance(node.get("schema"), dict)
        ),
    ]
    for schema in schemas:
        for node in walk(schema):
            if isinstance(node, dict) and not isinstance(node.get("type"), dict):
                assert node.get("type") != "null", node
                assert not isinstance(node.get("type"), list), node
                assert "const" not in node or isinstance(node["const"], dict), node
                assert not isinstance(node.get("exclusiveMinimum"), float), node
    camera = older["components"]["schemas"]["CameraCreate"]["properties"]
    assert camera["notes"]["nullable"] is True
    assert camera["notes"]["type"] == "string"
    assert DOCUMENT["openapi"].startswith("3.1."), "the document itself stays as it was"


def test_the_older_form_of_each_kind_of_schema() -> None:
    def turned(schema: Json) -> Json:
        info = {"title": "t", "version": "1", "summary": "s", "license": {"name": "L", "identifier": "L"}}
        made = as_3_0({"openapi": "3.1.0", "info": info, "paths": {}, "components": {"schemas": {"S": schema}}})
        assert made["info"] == {"title": "t", "version": "1", "license": {"name": "L"}}
        found: Json = made["components"]["schemas"]["S"]
        return found

    reference = {"$ref": "#/components/schemas/X"}
    assert turned({"anyOf": [{"type": "integer", "exclusiveMinimum": 0}, {"type": "null"}]}) == {
        "nullable": True, "type": "integer", "minimum": 0, "exclusiveMinimum": True,
    }  # fmt: skip
    assert turned({"anyOf": [reference, {"type": "null"}]}) == {"nullable": True, "allOf": [reference]}
    assert turned({"anyOf": [{"type": "string"}, reference, {"type": "null"}]}) == {
        "nullable": True, "anyOf": [{"type": "string"}, reference],
    }  # fmt: skip
    assert turned({"type": "string", "const": "a"}) == {"type": "string", "enum": ["a"]}
    assert turned({"type": "string", "examples": ["a", "b"]}) == {"type": "string", "example": "a"}
    assert turned({"type": "array", "prefixItems": [{"type": "integer"}]}) == {"type": "array", "items": {}}
    properties = {"const": {"const": 1}, "examples": {"type": "null"}}
    assert turned({"type": "object", "properties": properties})["properties"] == {
        "const": {"enum": [1]}, "examples": {"nullable": True, "enum": [None]},
    }  # fmt: skip
