"""Which reader is meant by `--model`, and its readings of stored pictures."""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from cli.models.building import DEFAULT_OUT
from cli.models.repository import SOURCE
from cli.reread.places import locate, own_plate
from functions.shared.errors import BrokenImage, InvalidInput
from functions.shared.inference import (
    Ask,
    Box,
    Candidate,
    Effort,
    FrameReading,
    Inference,
    PlateReading,
    open_inference,
)

TRITON = ("grpc://", "grpcs://")
# What a reading depends on: weights, the pipeline's code and tables.
_PARTS = ("*/1/*.onnx", "alpr/1/*.json", "alpr/1/platereader/*.py", "alpr/1/platereader/*.json")
TIMEOUT_S = 60.0
# What the API takes for a plate.
_TEXT = re.compile(r"[A-Z0-9]{1,10}")


class Reading(BaseModel):
    """What a reader made of one detection's pictures. `text` None: nothing was read, and `why`."""

    model_config = ConfigDict(frozen=True)

    text: str | None = None
    confidence: float = 0.0
    format: str | None = None
    rows: int | None = None
    candidates: tuple[Candidate, ...] = ()
    picture: str = ""
    why: str = ""

    @classmethod
    def of(cls, plate: PlateReading, picture: str) -> Reading:
        if not _TEXT.fullmatch(plate.text):
            return cls(why="nothing read")
        likely = [one for one in plate.candidates if _TEXT.fullmatch(one.text)]
        return cls(
            text=plate.text, confidence=round(plate.confidence, 4), format=plate.format, rows=plate.rows,
            candidates=tuple(likely[:8]), picture=picture,
        )  # fmt: skip


@dataclass(frozen=True)
class Model:
    """`name` goes into the record; a repository's tells its contents, since a folder's may change."""

    name: str
    url: str | None = None
    repository: Path = SOURCE


def model_of(text: str | None) -> Model:
    """A Triton's address, a repository's folder, or the name of one that was built. Raises InvalidInput."""
    if text is not None and text.startswith(TRITON):
        return Model(text[:100], url=text)
    tried = [SOURCE] if text is None else [Path(text), DEFAULT_OUT / text, SOURCE.parent / text]
    for folder in tried:
        if (folder / "alpr" / "1" / "platereader").is_dir():
            return Model(f"{folder.resolve().name[:80]}@{fingerprint(folder)}", repository=folder)
    raise InvalidInput(
        f"--model: {text} is neither grpc://HOST:PORT nor the folder of a model repository",
        field="model",
        mend="`gtvision models build` makes one, `gtvision models fetch --repository DIR` another",
    )


def fingerprint(repository: Path) -> str:
    """12 hex digits that change with the weights, the code or the tables of a repository."""
    digest = hashlib.sha256()
    for file in sorted({file for pattern in _PARTS for file in repository.glob(pattern)}):
        digest.update(file.relative_to(repository).as_posix().encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:12]


class Reader:
    """`with Reader(model, threads) as reader:`; reads one picture after the other."""

    def __init__(self, model: Model, threads: int) -> None:
        self._model, self._threads = model, threads
        self._runner = asyncio.Runner()
        self._engine: Inference | None = None

    def __enter__(self) -> Reader:
        try:
            self._engine = self._runner.run(self._open())
        except BaseException:
            self._runner.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._engine is not None:
            self._runner.run(self._engine.close())
        self._runner.close()

    async def _open(self) -> Inference:
        engine = open_inference(
            self._model.url,
            self._model.repository,
            max_in_flight=1,
            timeout_s=TIMEOUT_S,
            threads=self._threads,
            effort=Effort(),
        )
        try:
            await engine.check()
        except BaseException:
            await engine.close()
            raise
        return engine

    def read(self, vehicle: bytes | None, plate: bytes | None, formats: tuple[str, ...]) -> Reading:
        """The detection's plate: in the vehicle's picture as a whole, else in the plate's own.

        Raises InferenceUnavailable.
        """
        if vehicle is None and plate is None:
            return Reading(why="no picture")
        found = None
        if vehicle is not None:
            place = locate(vehicle, plate) if plate is not None else None
            # Pictures of one detection that do not belong together tell nothing of where its plate is.
            if plate is None or place is not None:
                found = self._plate(vehicle, formats, place)
        if found is not None:
            return Reading.of(found, "vehicle")
        found = self._surest(plate, formats) if plate is not None else None
        return Reading(why="nothing read") if found is None else Reading.of(found, "plate")

    def _plate(self, picture: bytes, formats: tuple[str, ...], place: Box | None) -> PlateReading | None:
        reading = self._read(picture, formats)
        return None if reading is None else own_plate(reading, place)

    def _surest(self, picture: bytes, formats: tuple[str, ...]) -> PlateReading | None:
        reading = self._read(picture, formats)
        plates = [one.plate for one in reading.observations if one.plate is not None] if reading else []
        return max(plates, key=lambda plate: plate.confidence, default=None)

    def _read(self, picture: bytes, formats: tuple[str, ...]) -> FrameReading | None:
        if self._engine is None:
            raise RuntimeError("the reader is not open")
        try:
            return self._runner.run(self._engine.read(picture, Ask(formats=formats)))
        except BrokenImage:
            return None
