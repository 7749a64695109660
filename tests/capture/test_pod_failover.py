"""Leases, takeover, outages of the bus, changes of the register: real pods, a real nats-server, real streams."""

from __future__ import annotations

import asyncio
import itertools
import signal
import time

import psutil
import pytest

from cli.demo.rtsp import RtspServer
from functions.shared.topology import LEASES_KV
from tests.capture.rig import Rig, until
from tests.support.rtsp import refused_url

FOUR = ("a", "b", "c", "d")


async def hold_four(rig: Rig, cameras: RtspServer, *pods: str) -> None:
    for camera in FOUR:
        await rig.put(camera, cameras.urls[camera])
    for pod in pods:
        rig.pod(pod)
    for camera in FOUR:
        await rig.more_frames(camera, 2)


async def settled(rig: Rig, pods: set[str]) -> dict[str, str]:
    """Waits until every camera is held and every one of the pods holds some."""

    async def spread() -> bool:
        holders = await rig.holders()
        return set(holders) == set(FOUR) and set(holders.values()) == pods

    await until(spread, 20, f"{pods} hold the cameras")
    return await rig.holders()


async def test_two_pods_share_and_the_death_of_one_moves_its_cameras(rig: Rig, cameras: RtspServer) -> None:
    await hold_four(rig, cameras, "pod-a", "pod-b")
    holders = await settled(rig, {"pod-a", "pod-b"})
    orphans = {camera for camera, pod in holders.items() if pod == "pod-b"}
    dead = rig.pods[1]
    workers = dead.workers()
    dead.process.kill()
    died = time.monotonic()
    counts = {camera: len(rig.frames[camera]) for camera in FOUR}

    async def flows() -> bool:
        return all(
            any(at > died + 1 and meta.sequence == 0 for at, meta, _ in rig.frames[camera][counts[camera] :])
            for camera in orphans
        )

    assert await until(flows, 15, f"{orphans} are taken over") < 15
    assert set((await rig.holders()).values()) == {"pod-a"}
    gone, alive = psutil.wait_procs(workers, 5)
    assert not alive
    assert gone
    for camera in set(FOUR) - orphans:
        sequences = rig.sequences(camera)
        assert sequences[-1] - sequences[counts[camera] - 1] == len(sequences) - counts[camera]
    assert {event.status.holder for event in rig.events if event.camera_id in orphans} <= {"pod-a", "pod-b"}


async def test_a_new_pod_gets_its_share_and_a_stopped_one_gives_it_back_at_once(rig: Rig, cameras: RtspServer) -> None:
    await hold_four(rig, cameras, "pod-a")
    rig.pod("pod-b")
    holders = await settled(rig, {"pod-a", "pod-b"})
    await asyncio.sleep(2)
    overlap = {camera: holders_seen(rig, camera) for camera in FOUR}
    assert all(len(runs) <= 2 for runs in overlap.values()), overlap
    started = time.monotonic()
    assert await asyncio.to_thread(rig.pods[1].stop) == 0
    assert time.monotonic() - started < 8
    moved = [camera for camera, pod in holders.items() if pod == "pod-b"]

    async def back() -> bool:
        held = await rig.holders()
        return all(held.get(camera) == "pod-a" for camera in moved)

    assert await until(back, 5, "the cameras come back") < 5
    for camera in FOUR:
        await rig.more_frames(camera)


def holders_seen(rig: Rig, camera: str) -> list[list[int]]:
    """The sequences cut where they begin anew: one run for each holder, never two mixed."""
    runs: list[list[int]] = []
    for sequence in rig.sequences(camera):
        if not runs or sequence != runs[-1][-1] + 1:
            runs.append([])
        runs[-1].append(sequence)
    return runs


async def test_a_pod_that_cannot_renew_is_silent_before_another_takes_over(rig: Rig, cameras: RtspServer) -> None:
    """A pod frozen for longer than its lease must not publish one frame when it wakes."""
    await hold_four(rig, cameras, "pod-a", "pod-b")
    await settled(rig, {"pod-a", "pod-b"})
    frozen = rig.pods[1]
    frozen.process.send_signal(signal.SIGSTOP)

    async def taken() -> bool:
        held = await rig.holders()
        return set(held) == set(FOUR) and set(held.values()) == {"pod-a"}

    await until(taken, 15, "pod-a holds everything")
    await asyncio.sleep(1.5)
    frozen.process.send_signal(signal.SIGCONT)
    await settled(rig, {"pod-a", "pod-b"})
    for camera in FOUR:
        await rig.more_frames(camera)
        for earlier, later in itertools.pairwise(rig.sequences(camera)):
            assert later in (earlier + 1, 0), (camera, rig.sequences(camera))


async def test_a_restart_of_nats_is_outlived_by_the_same_processes(rig: Rig, cameras: RtspServer) -> None:
    await hold_four(rig, cameras, "pod-a")
    workers = rig.pods[0].workers()
    before = {camera: rig.sequences(camera)[-1] for camera in FOUR}
    rig.nats.kill()
    await asyncio.sleep(1)
    rig.nats.start()
    for camera in FOUR:
        await rig.more_frames(camera, 3, within_s=20)
        assert rig.sequences(camera)[-1] > before[camera]  # the same holder went on: its stream was not opened anew
    assert rig.pods[0].process.poll() is None
    assert rig.pods[0].workers() == workers
    assert set((await rig.holders()).values()) == {"pod-a"}


async def test_after_a_long_outage_the_cameras_are_taken_again(rig: Rig, cameras: RtspServer) -> None:
    await hold_four(rig, cameras, "pod-a", "pod-b")
    rig.nats.kill()
    await asyncio.sleep(11)  # longer than a lease lives: both pods fence themselves
    rig.nats.start()
    for camera in FOUR:
        await rig.more_frames(camera, 3, within_s=30)
    await settled(rig, {"pod-a", "pod-b"})
    assert all(pod.process.poll() is None for pod in rig.pods)


async def test_a_pod_started_before_nats_waits_for_it(rig: Rig, cameras: RtspServer) -> None:
    await rig.put("a", cameras.urls["a"])
    rig.nats.kill()
    pod = rig.pod()
    await asyncio.sleep(2)
    assert pod.process.poll() is None
    rig.nats.start()
    await rig.more_frames("a", 2, within_s=30)


async def test_changes_of_the_register_apply_at_once_and_disturb_nobody(rig: Rig, cameras: RtspServer) -> None:
    await rig.put("a", cameras.urls["a"])
    rig.pod()
    await rig.more_frames("a", 2)

    await rig.put("b", cameras.urls["b"])
    await rig.more_frames("b", 1, within_s=6)

    await rig.put("b", cameras.urls["b"], enabled=False)
    await rig.reaches("b", "disabled", within_s=3)
    assert "b" not in await rig.holders()
    silent_from = len(rig.frames["b"])
    await rig.more_frames("a", 2)
    assert len(rig.frames["b"]) == silent_from

    await rig.put("b", refused_url())
    await rig.reaches("b", "offline", code="refused", within_s=4)
    await rig.put("b", cameras.urls["c"])
    await rig.more_frames("b", 1, within_s=5)  # a new address is tried at once, whatever the pause was

    await rig.put("b", cameras.urls["c"], sample_fps=8, max_side=320)
    await rig.more_frames("b", 20, within_s=8)
    assert rig.frames["b"][-1][1].width == 320

    await rig.delete("b")

    async def erased() -> bool:
        return await rig.status("b") is None and "b" not in await rig.holders()

    assert await until(erased, 3, "b is erased") < 3
    await rig.more_frames("a", 2)
    assert rig.sequences("a") == list(range(len(rig.frames["a"])))


async def test_a_pod_takes_no_more_than_it_may_and_the_rest_is_told(rig: Rig, cameras: RtspServer) -> None:
    for camera in FOUR:
        await rig.put(camera, cameras.urls[camera])
    rig.pod("pod-a", GTV_MAX_CAMERAS="3")

    async def three() -> bool:
        return len(await rig.holders()) == 3

    await until(three, 10, "three are held")
    (left,) = set(FOUR) - set(await rig.holders())
    await rig.reaches(left, "offline", code="no_room")
    rig.pod("pod-b", GTV_MAX_CAMERAS="3")
    await rig.reaches(left, "online")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_the_end_is_quick_and_complete(rig: Rig, cameras: RtspServer, how: signal.Signals) -> None:
    for camera in FOUR:
        await rig.put(camera, cameras.urls[camera])
    pod = rig.pod(GTV_CAMERAS_PER_PROCESS="2")
    for camera in FOUR:
        await rig.more_frames(camera, 1)
    workers = pod.workers()
    assert len(workers) == 2
    started = time.monotonic()
    assert await asyncio.to_thread(pod.stop, how) == 0
    assert time.monotonic() - started < 8
    _, alive = psutil.wait_procs(workers, 1)
    assert not alive
    assert await rig.holders() == {}


async def test_workers_know_no_secret_but_the_address_they_are_told(rig: Rig, cameras: RtspServer) -> None:
    """They take apart what cameras send; the pod has the keys and the token."""
    await hold_four(rig, cameras, "pod-a")
    (worker,) = rig.pods[0].workers()
    assert any(name.startswith("GTV_") for name in psutil.Process(rig.pods[0].process.pid).environ())
    assert not [name for name in worker.environ() if name.startswith("GTV_")]


async def test_workers_end_when_their_pod_is_killed(rig: Rig, cameras: RtspServer) -> None:
    await hold_four(rig, cameras, "pod-a")
    workers = rig.pods[0].workers()
    rig.pods[0].process.kill()
    _, alive = psutil.wait_procs(workers, 5)
    assert not alive


async def test_a_worker_that_dies_is_replaced(rig: Rig, cameras: RtspServer) -> None:
    await hold_four(rig, cameras, "pod-a")
    (worker,) = rig.pods[0].workers()
    worker.kill()
    for camera in FOUR:
        await rig.more_frames(camera, 2)
        assert rig.sequences(camera) == list(range(len(rig.frames[camera])))
    assert worker not in rig.pods[0].workers()
    assert "offline" not in {event.status.state for event in rig.events}


async def test_a_worker_that_hangs_as_a_whole_is_replaced(rig: Rig, cameras: RtspServer) -> None:
    await hold_four(rig, cameras, "pod-a")
    (worker,) = rig.pods[0].workers()
    worker.suspend()
    stopped = {camera: len(rig.frames[camera]) for camera in FOUR}

    async def flows() -> bool:
        return all(len(rig.frames[camera]) > stopped[camera] + 2 for camera in FOUR)

    await until(flows, 25, "another process reads the cameras")
    assert worker not in rig.pods[0].workers()


async def test_a_lease_in_a_strangers_hand_is_respected(rig: Rig, cameras: RtspServer) -> None:
    await rig.put("a", cameras.urls["a"])
    await rig.put("b", cameras.urls["b"])
    store = await rig.bus.kv(LEASES_KV)
    await store.create("a", b"stranger")
    rig.pod()
    await rig.more_frames("b", 3)
    assert not rig.frames["a"]
    await rig.more_frames("a", 1, within_s=15)  # the stranger does not renew
