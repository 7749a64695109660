"""The document in OpenAPI 3.0, which older tools ask for, and the Swagger UI of the wheel (4.15)."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
_ONE = ("items", "additionalProperties", "not")
_MANY = ("anyOf", "allOf", "oneOf")
_UNKNOWN = ("prefixItems", "patternProperties", "propertyNames", "contentMediaType", "$schema", "$id")


def as_3_0(document: Json) -> Json:
    """The same API; what 3.0 cannot say (a tuple's places, patterns of names) is left out."""
    made: Json = _walk(document)
    made["openapi"] = "3.0.3"
    made["info"] = {name: value for name, value in made["info"].items() if name != "summary"}
    made["info"]["license"] = {"name": made["info"]["license"]["name"]}
    schemas = made.get("components", {}).get("schemas", {})
    made.setdefault("components", {})["schemas"] = {name: _schema(schema) for name, schema in schemas.items()}
    return made


def _walk(node: Any) -> Any:
    """A copy in which whatever stands under `schema` is turned."""
    if isinstance(node, list):
        return [_walk(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {name: _schema(value) if name == "schema" else _walk(value) for name, value in node.items()}


def _schema(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    turned: Json = {name: value for name, value in schema.items() if name not in _UNKNOWN}
    if schema.get("contentMediaType") == "application/octet-stream":
        turned["format"] = "binary"
    if "prefixItems" in schema:
        turned.setdefault("items", {})
    _values(turned)
    _nullable(turned)
    _inner(turned)
    return turned


def _inner(turned: Json) -> None:
    for name in _ONE:
        if name in turned:
            turned[name] = _schema(turned[name])
    for name in _MANY:
        if name in turned:
            turned[name] = [_schema(value) for value in turned[name]]
    if "properties" in turned:
        turned["properties"] = {name: _schema(value) for name, value in turned["properties"].items()}


def _values(turned: Json) -> None:
    if "const" in turned:
        turned["enum"] = [turned.pop("const")]
    if isinstance(turned.get("examples"), list):
        examples = turned.pop("examples")
        if examples:
            turned["example"] = examples[0]
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(turned.get(exclusive), int | float) and not isinstance(turned.get(exclusive), bool):
            turned[bound], turned[exclusive] = turned[exclusive], True


def _nullable(turned: Json) -> None:
    """`anyOf: [X, null]` is X and nullable; a reference takes no neighbours but within allOf."""
    if turned.get("type") == "null":
        turned.pop("type")
        turned["nullable"], turned["enum"] = True, [None]
    branches = turned.get("anyOf")
    if branches is None or {"type": "null"} not in branches:
        return
    others = [branch for branch in branches if branch != {"type": "null"}]
    turned["nullable"] = True
    del turned["anyOf"]
    if len(others) != 1:
        turned["anyOf"] = others
    elif "$ref" in others[0]:
        turned["allOf"] = others
    else:
        turned.update({name: value for name, value in _schema(others[0]).items() if name not in turned})
