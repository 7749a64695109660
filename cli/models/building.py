"""`gtvision models build`: gather the pictures, build the variant, prove it, say what it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from cli.models import pictures, variants
from cli.models.check import Result, check_repository
from cli.models.fetch import Progress, silent
from functions.shared.errors import GTVisionError, InvalidInput

if TYPE_CHECKING:
    from cli.client import Client

DEFAULT_OUT = Path("data/models")


@dataclass(frozen=True)
class Source:
    """Where the calibration's pictures are to come from, as the command line says it."""

    folder: Path | None
    demo: bool
    client: Callable[[], Client]

    def gather(self, progress: Progress) -> pictures.Pictures:
        """Raises what pictures.of_folder, of_cameras and of_demo raise; InvalidInput for two sources at once."""
        if self.folder is not None and self.demo:
            raise InvalidInput("give --images or --demo, not both", field="images")
        if self.folder is not None:
            return pictures.of_folder(self.folder)
        if self.demo:
            return pictures.of_demo(progress=progress)
        with self.client() as client:
            return pictures.of_cameras(client, progress=progress)

    def require_unused(self) -> None:
        """Without --int8 nothing is calibrated. Raises InvalidInput where pictures were named all the same."""
        if self.folder is not None or self.demo:
            raise InvalidInput("pictures are for --int8: add it, or leave --images and --demo out", field="images")


@dataclass(frozen=True)
class Built:
    """A variant and what its checks saw."""

    made: variants.Made
    checks: list[Result]

    def show(self, console: Console) -> None:
        variant, calibration = self.made.variant, self.made.variant.calibration
        where = self.made.repository
        console.print(f"Built {where}: detectors in {variant.precision}, input {variant.input}; checked.")
        if calibration is not None:
            used, held = calibration.pictures - calibration.held_back, calibration.held_back
            found = ", ".join(_kept(name, kept) for name, kept in self.made.kept.items())
            console.print(f"Calibrated with {used} pictures ({calibration.origin}), judged on {held} others: {found}.")
        console.print(f"Use it: GTV_MODEL_REPOSITORY={where} (or --repository) with up, triton and bench.")


def _kept(name: str, kept: float | None) -> str:
    return f"{name} nothing to judge by" if kept is None else f"{name} finds {kept:.1%} of float32's boxes"


def build_and_check(
    repository: Path, out: Path | None, size: str, source: Source | None, progress: Progress = silent
) -> Built:
    """Build a variant (in int8 where there is a source of pictures) and run every check of `models check` on it.

    Raises GTVisionError when the pictures, a folder or a check do not hold.
    """
    chosen = out or DEFAULT_OUT / f"{'fp32' if source is None else 'int8'}-{size}"
    gathered = source.gather(progress) if source is not None else None
    made = variants.build(repository, chosen, size, gathered, progress)
    progress("check", 0, 1)
    checks = check_repository(chosen)
    failed = next((check for check in checks if not check.ok), None)
    if failed is not None:
        raise GTVisionError(f"{chosen} was built but does not hold: {failed.name}: {failed.detail}")
    return Built(made, checks)
