import pytest

from capture.wire import LENGTHS, Beat, Ended, Frame, Leave, Read, Report, Stop, Tune, Tuning, pack, unpack

TUNING = Tuning(1.0, True, 0.001, 85, 1920, 30.0)
REPORT = Report("a", 3, "h264", 1, 2, 25.0, 4, 5.0, "all", "why", 1.0, {"still": 2})


@pytest.mark.parametrize(
    "message",
    [
        Read("a", 1, "rtsp://u:p@h/x", 5.0, TUNING, None, networks=("10.0.0.0/8",)),
        Tune("a", TUNING),
        Leave("a"),
        Stop(),
        Frame("a", 1, 12.5, 640, 360),
        Ended("a", 1, "silent", "words"),
        Beat(2, (REPORT, REPORT)),
        Beat(0, ()),
    ],
)
def test_what_is_packed_comes_out_again(message: object) -> None:
    packed = pack(message, b"body")  # type: ignore[arg-type]  # the parameters are of the union
    head_size, body_size = LENGTHS.unpack(packed[: LENGTHS.size])
    head = packed[LENGTHS.size : LENGTHS.size + head_size]
    assert unpack(head) == message
    assert packed[LENGTHS.size + head_size :] == b"body"
    assert body_size == 4


def test_a_stranger_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown message"):
        unpack(b'{"is": "Launch"}')
