"""The OpenAPI document of a function: what FastAPI finds out by itself, completed for every route by one rule.

Rooms say what only they know: a docstring, descriptions of their fields, and in `responses` of a route a status that
the rule below does not expect (`responses=may_answer(502)`). Errors, headers,
security, links and parameters that many share are added here, so that no route can lack them.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from functions.shared import openapi_texts as texts
from functions.shared.access import ACCESS, ANY_KEY, PUBLIC, Role, Rule
from functions.shared.openapi_3_0 import as_3_0

__all__ = ["as_3_0", "describe", "document", "may_answer", "operation_id"]
Json = dict[str, Any]
METHODS = ("get", "put", "post", "delete", "patch")
KEY = "Idempotency-Key"
IF_MATCH = "If-Match"
_OURS = ("HTTPValidationError", "ValidationError")
_BINARY = {"type": "string", "format": "binary"}
# The table of access with paths as OpenAPI has them, which knows no converters (`{key:path}`).
RULES = {re.sub(r":[a-z]+\}", "}", name): rule for name, rule in ACCESS.items()}
# Headers have no case, and some rooms leave the name to the framework.
_SHAPES = {name.lower(): shape for name, shape in texts.SHAPES.items()}
_FILES = {".jpg": "image/jpeg", ".csv": "text/csv", ".pdf": "application/pdf", ".zip": "application/zip"}


def operation_id(route: APIRoute) -> str:
    """Room and function, e.g. `cameras_list_cameras`: stays as long as both keep their names."""
    return f"{route.tags[0]}_{route.name}".replace("-", "_") if route.tags else route.name


def may_answer(*statuses: int) -> dict[int | str, Json]:
    """For `responses` of a route: errors that the rule of this module does not expect of its shape."""
    return {status: {"description": texts.ERRORS[status][1]} for status in statuses}


def describe(app: FastAPI) -> None:
    """Give `app` its document; it is made when first asked for."""

    def openapi() -> Json:
        if app.openapi_schema is None:
            app.openapi_schema = document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's own guide has it


def document(app: FastAPI) -> Json:
    made: Json = get_openapi(
        title=app.title, version=app.version, openapi_version="3.1.0", description=texts.ABOUT, routes=app.routes,
        license_info={"name": "AGPL-3.0-or-later", "identifier": "AGPL-3.0-or-later"},
    )  # fmt: skip
    components = made.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in _OURS:
        schemas.pop(name, None)
    schemas["Error"] = texts.ENVELOPE
    components["securitySchemes"] = texts.SECURITY
    components["headers"] = texts.HEADERS
    components["responses"] = {name: _error(status, name) for status, (name, _) in texts.ERRORS.items()}
    paths: dict[str, Json] = made.setdefault("paths", {})
    for path, item in paths.items():
        for method in METHODS:
            if method in item:
                _complete(paths, path, method, item[method], schemas)
    used = {tag for item in paths.values() for operation in item.values() for tag in operation.get("tags", ())}
    made["tags"] = [{"name": tag, "description": texts.TAGS[tag]} for tag in texts.TAGS if tag in used]
    return made


def _complete(paths: dict[str, Json], path: str, method: str, operation: Json, schemas: Json) -> None:
    rule = RULES.get(f"{method.upper()} {path}")
    for parameter in operation.get("parameters", ()):
        if not parameter.get("description"):
            parameter["description"] = _parameter(parameter)
        parameter["schema"] = _SHAPES.get(parameter["name"].lower(), parameter["schema"])
    operation["security"] = _security(rule)
    operation["description"] = "\n\n".join(part for part in (operation.get("description"), _who(rule)) if part)
    answers: Json = operation.setdefault("responses", {})
    _add_errors(answers, _statuses(path, method, operation, rule))
    if links := _links(paths, path, method):
        _done(answers).setdefault("links", {}).update(links)
    for status, answer in answers.items():
        if not status.startswith(("4", "5")):
            _add_headers(paths, path, method, operation, status, answer)
            _add_content(path, status, answer)
    _add_example(f"{method.upper()} {path}", operation, schemas)


def _parameter(parameter: Json) -> str:
    name = str(parameter["name"])
    if name in texts.PARAMETERS:
        return texts.PARAMETERS[name]
    return f"Id of the {name.removesuffix('_id').replace('_', ' ')}." if name.endswith("_id") else ""


def _security(rule: Rule | None) -> list[Json]:
    if rule is PUBLIC:
        return []
    ways: list[Json] = [{"bearer": []}, {"cookie": []}]
    return [*ways, {"basic": []}] if rule.permission else ways


def _who(rule: Rule | None) -> str:
    if rule is PUBLIC:
        return ""
    roles = ", ".join(f"`{role.value}`" for role in Role if role in rule.roles)
    if not rule.permission:
        return f"For the roles {roles}. Not for API keys."
    key = "Any API key will do." if rule.permission == ANY_KEY else f"API keys need the permission `{rule.permission}`."
    return f"For the roles {roles}. {key}"


def _statuses(path: str, method: str, operation: Json, rule: Rule | None) -> set[int]:
    """The errors that a route of this shape can answer with."""
    found = {429, 503, 504}
    names = {parameter["name"] for parameter in operation.get("parameters", ())}
    if rule is not PUBLIC:
        found |= {401, 403}
    if "{" in path:
        found.add(404)
    if names or "requestBody" in operation:
        found.add(422)
    if "requestBody" in operation:
        found |= {400, 408, 413}
    if method in ("put", "patch", "delete") or KEY in names or (method == "post" and "{" in path):
        found.add(409)
    return found | _others(method, names, rule)


def _others(method: str, names: set[str], rule: Rule | None) -> set[int]:
    """What is open to all and changes something asks for credentials of its own; a signed link may be forged; what is
    brought for something that a parameter names may be brought for nothing."""
    found = set()
    if rule is PUBLIC and method == "post":
        found |= {401, 403}
    if "signature" in names:
        found.add(403)
    if method == "post" and any(name.endswith("_id") for name in names):
        found.add(404)
    return found


def _add_errors(answers: Json, statuses: set[int]) -> None:
    """Our errors for those expected and those that the route names, whose own description stays."""
    for status in sorted(statuses | {int(text) for text in answers if text.isdigit() and int(text) >= 400}):
        said = answers.get(str(status), {}).get("description", "")
        name, general = texts.ERRORS[status]
        if said in ("", "Validation Error", general, HTTPStatus(status).phrase):
            answers[str(status)] = {"$ref": f"#/components/responses/{name}"}
        else:
            answers[str(status)] = {**_error(status, name), "description": said}


def _error(status: int, name: str) -> Json:
    headers = {name: _header(name) for name in ("X-Correlation-ID", *texts.ERROR_HEADERS.get(status, ()))}
    example = {
        "error": {
            "code": texts.CODES[status],
            "message": texts.EXAMPLES.get(status, "what is wrong, for people"),
            "details": {},
            "correlation_id": "3f0c1f6c2f0e4d0e9a3d5c1b7a8e9f00",
        }
    }
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}, "example": example}}
    return {"description": texts.ERRORS[status][1], "headers": headers, "content": content}


def _header(name: str) -> Json:
    return {"$ref": f"#/components/headers/{name}"}


def _done(answers: Json) -> Json:
    """The answer of success."""
    found: Json = answers[min(answers)]
    return found


def _add_headers(paths: dict[str, Json], path: str, method: str, operation: Json, status: str, answer: Json) -> None:
    headers = answer.setdefault("headers", {})
    headers.update({name: _header(name) for name in texts.COMMON_HEADERS})
    names = {parameter["name"] for parameter in operation.get("parameters", ())}
    if KEY in names:
        headers["Idempotent-Replayed"] = _header("Idempotent-Replayed")
    item = _item_path(paths, path)
    if status == "201" and item is not None:
        headers["Location"] = _header("Location")
    guarded = path if method in ("get", "put", "patch") else item if status == "201" else None
    if guarded is not None and _takes_if_match(paths[guarded]):
        headers["ETag"] = _header("ETag")


def _takes_if_match(item: Json) -> bool:
    operations = (item[method] for method in METHODS if method in item)
    return any(
        parameter["name"].lower() == IF_MATCH.lower()
        for operation in operations
        for parameter in operation.get("parameters", ())
    )


def _add_content(path: str, status: str, answer: Json) -> None:
    """The media type of a file's route, where the room did not say it."""
    kind = next((kind for end, kind in _FILES.items() if path.endswith(end)), None)
    if status == "200" and kind and kind not in answer.get("content", {}):
        answer["content"] = {kind: {"schema": _BINARY}}


def _item_path(paths: dict[str, Json], path: str) -> str | None:
    """`/api/cameras` -> `/api/cameras/{camera_id}`, where there is such a path."""
    pattern = re.compile(re.escape(path) + r"/\{[a-z_]+\}")
    return next((other for other in paths if pattern.fullmatch(other)), None)


def _links(paths: dict[str, Json], path: str, method: str) -> Json:
    """From what was made to what can be done with it (OpenAPI links)."""
    item, made = _item_path(paths, path), "$response.body#/id"
    if item is None or method != "post":
        return {}
    name = item[len(path) + 2 : -1]
    parents = {parent: f"$request.path.{parent}" for parent in re.findall(r"\{([a-z_]+)\}", path)}
    return {
        operation["operationId"]: {"operationId": operation["operationId"], "parameters": {**parents, name: made}}
        for other, operations in paths.items()
        if other == item or (other.startswith(f"{item}/") and "{" not in other[len(item) :])
        for of, operation in operations.items()
        if of in METHODS
    }


def _add_example(name: str, operation: Json, schemas: Json) -> None:
    """An example of a JSON body, put together from those of its fields, where they are enough for all it needs."""
    media = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if media is None or "example" in media or "examples" in media:
        return
    example = texts.BODIES.get(name) or _example(media["schema"], schemas)
    if example is not None:
        media["example"] = example


def _example(schema: Json, schemas: Json) -> Json | None:
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    if "examples" in schema:
        found: Json = schema["examples"][0]
        return found
    made: Json = {}
    for name, field in schema.get("properties", {}).items():
        if field.get("examples"):
            made[name] = field["examples"][0]
        elif name in schema.get("required", ()):
            return None
    return made or None
