"""The benchmark of cameras, small: the real stack, real streams, and figures that hang together."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.bench import cameras as bench
from cli.demo.farm import FarmClips
from tests.support.models import ensure_models
from tests.support.rtsp import make_clip


@pytest.mark.e2e
async def test_a_small_run_reports_what_happened(tmp_path: Path) -> None:
    ensure_models()
    clips = FarmClips(make_clip(tmp_path / "moving.mp4"), make_clip(tmp_path / "still.mp4", moving=False))
    report = await bench.measure(bench.Plan(2, 8.0, 2, 1, tmp_path, clips))
    assert (report.cameras, report.moving, report.online) == (2, 1, 2)
    assert {"nats", "functions", "capture", "capture workers", "test cameras"} <= set(report.cpu_percent)
    assert set(report.memory_mb) == set(report.cpu_percent)
    assert all(value > 1 for value in report.memory_mb.values())
    assert report.published > 0
    assert report.analysed > 0
    assert report.dropped["still"] > 0
    assert report.sampled == report.published + sum(report.dropped.values())
    assert report.latency_p50_s is None  # nothing in these clips is a vehicle


def test_settings_that_reach_real_data_stay_out() -> None:
    environ = {
        "PATH": "/bin", "GTV_DATABASE_URL": "postgresql+asyncpg://real", "GTV_NATS_URL": "nats://real",
        "GTV_STORE_URL": "s3://real", "GTV_TRITON_URL": "grpc://gpu:8001", "GTV_JPEG_QUALITY": "80",
    }  # fmt: skip
    kept = bench._environ(environ, "password-of-the-run")
    assert {name for name in kept if name.startswith("GTV_")} == {
        "GTV_TRITON_URL", "GTV_JPEG_QUALITY", "GTV_ADMIN_PASSWORD", "GTV_LOG_LEVEL",
        "GTV_CAMERA_NETWORKS",
    }  # fmt: skip
    assert kept["PATH"] == "/bin"


@pytest.mark.parametrize(
    ("values", "half", "most"),
    [([], None, None), ([3.0], 3.0, 3.0), ([float(n) for n in range(1, 101)], 50.0, 95.0), ([2.0, 1.0], 1.0, 2.0)],
)
def test_quantiles(values: list[float], half: float | None, most: float | None) -> None:
    assert (bench._quantile(values, 0.50), bench._quantile(values, 0.95)) == (half, most)
