"""The real models on a real photograph of two cars, which moves through the picture."""

from __future__ import annotations

from datetime import timedelta

import cv2
import numpy as np
import pytest

from functions.post_processing.handler import open_engine
from functions.post_processing.service import FrameService, Outcome
from functions.shared.config import ReaderSettings
from functions.shared.contracts import FrameMeta, frame_id, now
from functions.shared.db import Database
from functions.shared.errors import BrokenImage
from functions.shared.store import FolderStore
from tests.functions.post_processing.conftest import Memory
from tests.support.models import ensure_models, photograph

TRUTH = ("NO23456", "MLB803")


@pytest.fixture
def reader_settings(reader_settings: ReaderSettings) -> ReaderSettings:
    # Here the wait for a shared machine counts, not the life of a frame.
    return reader_settings.model_copy(
        update={"model_repository": ensure_models(), "inference_timeout_s": 120.0, "frame_max_age_s": 600.0}
    )


def moving(steps: int) -> list[bytes]:
    """JPEGs in which the photograph moves to the right."""
    image = cv2.imdecode(np.frombuffer(photograph(), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    frames = []
    for step in range(steps):
        matrix = np.array([[1, 0, 12.0 * step], [0, 1, 3.0 * step]], np.float64)
        moved = cv2.warpAffine(image, matrix, (image.shape[1], image.shape[0]), borderMode=cv2.BORDER_REPLICATE)
        done, data = cv2.imencode(".jpg", moved, [cv2.IMWRITE_JPEG_QUALITY, 88])
        assert done
        frames.append(bytes(data.tobytes()))
    return frames


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_two_cars_of_a_photograph_become_two_detections(
    reader_settings: ReaderSettings, database: Database, store: FolderStore, memory: Memory
) -> None:
    service = FrameService(reader_settings, database, store, open_engine(reader_settings))
    start = now()
    try:
        for step, jpeg in enumerate(moving(3)):
            at = start + timedelta(seconds=step)
            meta = FrameMeta(
                id=frame_id("gate", at), camera_id="gate", captured_at=at, sequence=step, width=1200, height=784
            )
            assert await service.read(meta, jpeg) is Outcome.RECORDED
        broken = meta.model_copy(update={"id": "gate:broken"})
        with pytest.raises(BrokenImage):
            await service.read(broken, b"\xff\xd8\xff\xe0 no picture")
        found = [row for row in await memory.detections() if row.plate is not None]
        for row in found:
            assert row.plate_snapshot_key is not None
            again = await service.inference.read(await store.get(row.plate_snapshot_key))
            assert row.plate in [one.plate.text for one in again.observations if one.plate is not None]
    finally:
        await service.inference.close()
    assert sorted(str(row.plate) for row in found) == sorted(TRUTH)
    assert [row.observation_count for row in found] == [3, 3]
    for row in found:
        assert row.plate_snapshot_key is not None
        crop = cv2.imdecode(np.frombuffer(await store.get(row.plate_snapshot_key), np.uint8), cv2.IMREAD_COLOR)
        assert crop is not None
        assert crop.shape[1] > crop.shape[0] > 10
