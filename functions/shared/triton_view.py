"""The folder that Triton reads: a private copy of the model repository, from which a model can be taken and put back.

Triton watches it (model control by polling), so that a model whose folder goes is unloaded and one that comes is
loaded. Nobody needs Triton's repository API for that, which asks no caller who they are and would take python code.
"""

from __future__ import annotations

import compileall
import shutil
from pathlib import Path

WEIGHTS = (".onnx", ".plan")
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.part", "*.md", ".gitignore", ".gitkeep")


class View:
    """`root/served` is what Triton reads; a model that was taken out waits in `root/aside`."""

    def __init__(self, root: Path) -> None:
        self.root, self.served, self._aside = root, root / "served", root / "aside"

    def lay(self, repository: Path) -> tuple[str, ...]:
        """Copy every complete model of `repository` here, in place of what was here. Returns their names.

        A folder without a configuration, or without a version that holds something to run, is no model. All is copied:
        what is written to the repository later, and may be half written, is not served.
        """
        shutil.rmtree(self.root, ignore_errors=True)
        self._aside.mkdir(parents=True)
        self.served.mkdir()
        names = [folder.name for folder in sorted(repository.iterdir()) if is_model(folder)]
        for name in names:
            shutil.copytree(repository / name, self.served / name, ignore=_LEFT_OUT)
        # What a model process would write at its start is written now: Triton takes it for a new version otherwise.
        compileall.compile_dir(self.served, quiet=2)
        return tuple(names)

    def names(self) -> tuple[str, ...]:
        """The models that are served, or shall be again."""
        return tuple(sorted(folder.name for part in (self.served, self._aside) for folder in part.glob("[!.]*")))

    def take_out(self, name: str) -> None:
        (self.served / name).rename(self._aside / name)

    def put_back(self, name: str) -> None:
        (self._aside / name).rename(self.served / name)

    def put_all_back(self) -> None:
        """After a guard that ended half-way."""
        for folder in self._aside.glob("[!.]*"):
            self.put_back(folder.name)

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)


def is_model(folder: Path) -> bool:
    """Whether Triton could serve what is in `folder`."""
    files = [file for suffix in (".py", *WEIGHTS) for file in folder.glob(f"[0-9]*/model{suffix}")]
    return (folder / "config.pbtxt").is_file() and bool(files)
