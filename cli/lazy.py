"""Commands whose modules are loaded when they are called, so that `gtvision --help` and the small ones are quick."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup


class Later:
    """Where a command is, `module:attribute` of a Typer app, and what the list of commands says of it."""

    def __init__(self, where: str, text: str) -> None:
        self.where, self.text = where, text

    def load(self) -> Any:
        module, _, attribute = self.where.partition(":")
        return typer.main.get_command(getattr(import_module(module), attribute))


def group_of(later: Mapping[str, Later]) -> type[TyperGroup]:
    """A group class that knows the commands of `later` by name and text, and loads the one that is called."""

    class LazyGroup(TyperGroup):
        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            name, command, rest = super().resolve_command(ctx, args)
            if name is not None and name in later:
                command = later[name].load()
                # A Typer app with one command is that command; its name is the one that it was called by.
                command.name = name
            return name, command, rest

    return LazyGroup


def walk(app: typer.Typer, later: Mapping[str, Later]) -> dict[tuple[str, ...], Any]:
    """Every command by its path, the root as (); loads them all."""

    def below(command: Any, path: tuple[str, ...]) -> dict[tuple[str, ...], Any]:
        found = {path: command}
        for name, child in getattr(command, "commands", {}).items():
            real = later[name].load() if not path and name in later else child
            found.update(below(real, (*path, name)))
        return found

    return below(typer.main.get_command(app), ())
