"""What is wrong with a picture, on drawn streets: each fault is told once it lasts; traffic, noise, dusk are none."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import cv2
import numpy as np
import pytest

from capture.gate import Grey
from capture.sight import HOLD_S, LEARN, LOOK_S, Look, Sight

HEIGHT, WIDTH = 360, 640
RNG = np.random.default_rng(11)
GRAIN = RNG.standard_normal((HEIGHT + 64, WIDTH + 64), dtype=np.float32)


def street(seed: int = 3) -> Grey:
    """Houses with windows, a kerb, a road with marks and trees; everything sharp."""
    rng = np.random.default_rng(seed)
    height, width = 720, 1280
    picture = np.full((height, width), 150, np.uint8)
    for _ in range(9):
        left, top = int(rng.integers(0, width - 200)), int(rng.integers(0, 200))
        cv2.rectangle(picture, (left, top), (left + 220, 420), int(rng.integers(70, 200)), -1)
        for row in range(top + 20, 380, 60):
            for column in range(left + 15, left + 200, 50):
                cv2.rectangle(picture, (column, row), (column + 24, row + 34), int(rng.integers(20, 90)), -1)
    cv2.rectangle(picture, (0, 420), (width, height), 95, -1)
    cv2.line(picture, (0, 425), (width, 450), 210, 6)
    for column in range(0, width, 160):
        cv2.line(picture, (column, 570), (column + 80, 580), 225, 9)
    texture = rng.integers(-12, 13, (height // 2, width // 2)).astype(np.float32)
    whole = np.clip(picture + cv2.resize(texture, (width, height)), 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(whole, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


STREET = street()


def noisy(picture: Grey, gain: float = 1.0, sigma: float = 3.0) -> Grey:
    top, left = (int(value) for value in RNG.integers(0, 64, 2))
    return np.clip(picture * gain + sigma * GRAIN[top : top + HEIGHT, left : left + WIDTH], 0, 255).astype(np.uint8)


def with_traffic(picture: Grey, number: int) -> Grey:
    busy = picture.copy()
    for lane, (width, height) in enumerate(((130, 65), (210, 120))):
        left, top = (number * (45 + 25 * lane)) % WIDTH, 230 + 20 * lane
        cv2.rectangle(busy, (left, top), (left + width, top + height), 40 + 130 * lane, -1)
    return busy


def blurred(picture: Grey) -> Grey:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 3.5), np.uint8)


def covered(picture: Grey) -> Grey:
    """Paint on the housing's window: a soft dull grey."""
    return np.asarray(
        np.full_like(picture, 92) + (cv2.GaussianBlur(picture, (0, 0), 30) / 40).astype(np.uint8), np.uint8
    )


def turned(picture: Grey) -> Grey:
    """Somebody has pushed the camera aside by a third of what it sees."""
    return np.asarray(cv2.copyMakeBorder(picture, 0, 0, 0, WIDTH // 3, cv2.BORDER_REFLECT)[:, WIDTH // 3 :], np.uint8)


def nudged(picture: Grey) -> Grey:
    """A strong wind: some pixels to and fro."""
    dx, dy = (int(value) for value in RNG.integers(-2, 3, 2))
    return np.asarray(np.roll(picture, (dy, dx), axis=(0, 1)), np.uint8)


class Watch:
    """A sight and its clock."""

    def __init__(self, memory: str = "", epoch: int = 0) -> None:
        self.sight, self.at = Sight(epoch, memory), 0.0

    def show(self, pictures: Iterable[Grey]) -> tuple[str, ...]:
        for picture in pictures:
            self.sight.see(picture, self.at)
            self.at += LOOK_S
        return self.sight.faults


LASTING = int(HOLD_S / LOOK_S) + 2


def normal(count: int = LEARN + 4) -> Iterable[Grey]:
    return (noisy(with_traffic(STREET, number)) for number in range(count))


def settled() -> Watch:
    watch = Watch()
    assert watch.show(normal()) == ()
    return watch


@pytest.mark.parametrize(
    ("how", "code"),
    [
        (blurred, "blurred"),
        (covered, "blocked"),
        (turned, "moved"),
        (lambda picture: (picture * 0.06).astype(np.uint8), "dark"),
        (lambda picture: np.full_like(picture, 250), "glare"),
    ],
)
def test_a_fault_is_told_once_it_lasts_and_is_over_once_it_is_gone(how: Callable[[Grey], Grey], code: str) -> None:
    watch = settled()
    spoilt = [noisy(how(with_traffic(STREET, number)), sigma=1.5) for number in range(LASTING + 12)]
    assert watch.show(spoilt[: LASTING - 3]) == (), "a lorry may stand before the lens that long"
    assert watch.show(spoilt[LASTING - 3 :]) == (code,)
    assert watch.show(normal(4)) == (code,), "not over at the first good picture"
    assert watch.show(normal(LASTING + 20)) == ()


def test_a_short_disturbance_is_none() -> None:
    watch = settled()
    for _ in range(4):
        assert watch.show([noisy(covered(STREET))] * (LASTING // 2)) == ()
        assert watch.show(normal(3)) == ()


def test_dusk_night_and_wind_are_no_faults() -> None:
    watch = settled()
    dusk = (noisy(with_traffic(STREET, number), gain=1.0 - 0.75 * number / 200) for number in range(200))
    assert watch.show(dusk) == ()
    assert watch.show(noisy(with_traffic(STREET, number), gain=0.25, sigma=5) for number in range(60)) == ()
    assert watch.show(noisy(nudged(with_traffic(STREET, number))) for number in range(60)) == ()


def test_a_camera_that_was_turned_stays_told_however_long() -> None:
    """What is wrong is not learnt until somebody says that it is right."""
    watch = settled()
    other = [noisy(turned(STREET)) for _ in range(20)]
    assert watch.show(other * 30) == ("moved",)


def test_it_is_remembered_by_the_next_life_until_the_view_is_accepted() -> None:
    watch = settled()
    kept = watch.sight.memory()
    assert 1_000 < len(kept) < 20_000
    other = [noisy(turned(STREET)) for _ in range(LASTING * 2)]
    assert Watch(kept).show(other) == ("moved",)
    assert Watch(kept, epoch=1).show(other) == ()
    assert Watch("{broken").show(other) == ()
    assert Watch('{"epoch": 0, "scenes": {"day": {"edges": "AAAA"}}}').show(other) == ()


def test_a_camera_out_of_focus_from_the_first_picture_is_found() -> None:
    assert Watch().show(noisy(blurred(STREET), sigma=0.5) for _ in range(LASTING)) == ("blurred",)


def test_looks_are_taken_seldom_whatever_the_frame_rate() -> None:
    sight, count = Sight(), 0
    for number in range(50):
        before = sight.look
        sight.see(STREET, number * 0.2)
        count += sight.look is not before
    assert count == 2


def test_the_statistics_mean_what_they_say() -> None:
    look = Look.at(np.full((360, 640), 77, np.uint8))
    assert (look.brightness, look.contrast, look.flat, look.sharpness) == (77.0, 0.0, 1.0, 0.0)
    sharp, soft = Look.at(STREET), Look.at(blurred(STREET))
    assert sharp.sharpness > 3 * soft.sharpness
    assert sharp.flat < 0.3
