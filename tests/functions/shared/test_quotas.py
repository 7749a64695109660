"""Quotas: what one process counts, what several count together on a real nats-server, and what becomes of an outage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from functions.shared import quotas as module
from functions.shared.bus import Bus, connect, ensure_topology
from functions.shared.config import Settings
from functions.shared.contracts import new_id
from functions.shared.errors import BusUnavailable
from functions.shared.quotas import SHARED, SYNCS, Policy, Quotas
from functions.shared.topology import LIMITS_KV
from tests.support.nats import NatsServer


class Clock:
    """Seconds that pass when a test says so; the window of a minute begins at 0."""

    def __init__(self) -> None:
        self.now = 6_000_000.0

    def __call__(self) -> float:
        return self.now


async def no_bus() -> Bus:
    raise BusUnavailable("there is none")


async def passed(quotas: Quotas, policy: Policy, who: str, tries: int) -> int:
    return sum([(await quotas.hit(policy, who)).allowed for _ in range(tries)])


def told() -> float:
    return float(SYNCS.labels("told")._value.get())


def shared() -> float:
    """As a scrape of the metrics has it."""
    return float(next(iter(SHARED.collect())).samples[0].value)


async def test_the_quota_and_not_one_more() -> None:
    policy = Policy("user", 20)
    alone = Quotas(no_bus, Clock())
    verdicts = [await alone.hit(policy, "a") for _ in range(25)]
    assert [verdict.allowed for verdict in verdicts] == [True] * 20 + [False] * 5
    assert [verdict.remaining for verdict in verdicts[:20]] == list(range(19, -1, -1))
    assert (await alone.hit(policy, "b")).allowed, "each has a quota of their own"
    await alone.close()


async def test_a_refused_one_may_pass_when_it_was_told_to_come_back() -> None:
    clock = Clock()
    alone, policy = Quotas(no_bus, clock), Policy("user", 20)
    assert await passed(alone, policy, "a", 20) == 20
    clock.now += 10
    refused = await alone.hit(policy, "a")
    assert not refused.allowed
    clock.now += refused.reset_s - 1.5
    assert not (await alone.hit(policy, "a")).allowed, "not sooner"
    clock.now += 1.5
    assert (await alone.hit(policy, "a")).allowed
    await alone.close()


async def test_the_window_slides() -> None:
    """All of a quota at the end of one minute leaves nothing for the beginning of the next."""
    clock = Clock()
    alone, policy = Quotas(no_bus, clock), Policy("user", 100)
    clock.now += 59
    assert await passed(alone, policy, "a", 200) == 100
    clock.now += 2
    assert await passed(alone, policy, "a", 200) <= 2
    clock.now += 29
    assert 45 <= await passed(alone, policy, "a", 200) <= 50
    clock.now += 120
    assert await passed(alone, policy, "a", 200) == 100
    await alone.close()


@pytest.mark.parametrize("quota", [1, 2, 7, 1200])
async def test_small_and_large_quotas_hold(quota: int) -> None:
    alone = Quotas(no_bus, Clock())
    assert await passed(alone, Policy("user", quota), "a", quota + 10) == quota
    await alone.close()


async def test_no_more_keys_are_kept_than_memory_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT", 50)
    alone, policy = Quotas(no_bus, Clock()), Policy("address", 5)
    assert await passed(alone, policy, "often", 3) == 3
    for number in range(200):
        await alone.hit(policy, f"once-{number}")
        if number % 10 == 0:
            await alone.hit(policy, "often")
    assert len(alone._counts) <= 50
    assert not (await alone.hit(policy, "often")).allowed, "who asks often is not forgotten for those who ask once"
    await alone.close()


class Replicas:
    """Processes' worth of quotas, each with a connection of its own to one nats-server."""

    def __init__(self, all_of_them: list[Quotas], buses: list[Bus]) -> None:
        self.all, self.buses = all_of_them, buses

    def __getitem__(self, number: int) -> Quotas:
        return self.all[number]


@pytest.fixture
async def replicas(nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[Replicas]:
    async with AsyncExitStack() as stack:
        made, buses, clock = [], [], Clock()
        for number in range(4):
            bus = await connect(Settings(nats_url=nats_server.url, data_dir=tmp_path), f"replica-{number}")
            stack.push_async_callback(bus.close)
            await ensure_topology(bus)

            async def opened(bus: Bus = bus) -> Bus:
                return bus

            quotas = Quotas(opened, clock)
            stack.push_async_callback(quotas.close)
            # The connection is opened beside the first request that wants it; here it is there already.
            await quotas._open()
            made.append(quotas)
            buses.append(bus)
        yield Replicas(made, buses)


@pytest.mark.parametrize("number", [2, 4])
async def test_replicas_stop_at_the_quota_together(number: int, replicas: Replicas) -> None:
    policy, who = Policy("user", 600), new_id()
    before = told()
    let_through = 0
    for turn in range(700):
        let_through += (await replicas[turn % number].hit(policy, who)).allowed
    assert 600 <= let_through <= 600 + number, "taking turns they are over by less than one each"
    assert not any([(await replicas[each].hit(policy, who)).allowed for each in range(number)])
    assert told() - before < 600 / 2, "a fraction of a message for each request"


async def test_replicas_that_know_nothing_of_each_other_are_over_by_their_share_at_the_most(replicas: Replicas) -> None:
    """The worst case: each lets its first sixteenth through before it asks."""
    policy, who = Policy("user", 640), new_id()
    first = sum([await passed(replicas[each], policy, who, 39) for each in range(4)])
    assert first == 4 * 39
    rest = await asyncio.gather(*(passed(replicas[each], policy, who, 640) for each in range(4)))
    assert 640 <= first + sum(rest) <= 640 + 4 * 640 // 16


async def test_at_once_from_all_sides(replicas: Replicas) -> None:
    policy, who = Policy("user", 300), new_id()
    hits = [replicas[turn % 4].hit(policy, who) for turn in range(1200)]
    verdicts = await asyncio.gather(*hits)
    assert 300 <= sum(verdict.allowed for verdict in verdicts) <= 300 + 4 * 300 // 16


async def test_alone_a_process_writes_seldom(replicas: Replicas) -> None:
    before = told()
    assert await passed(replicas[0], Policy("user", 1200), new_id(), 1300) == 1200
    assert told() - before <= 100


async def test_a_new_process_learns_of_the_window_before(replicas: Replicas) -> None:
    """A function that was scaled to zero and came back does not begin anew."""
    policy, who = Policy("user", 160), new_id()
    assert await passed(replicas[0], policy, who, 160) == 160
    assert await passed(replicas[1], policy, who, 160) <= 10
    clock = replicas[0]._clock
    assert isinstance(clock, Clock)
    clock.now += 61
    assert await passed(replicas[2], policy, who, 160) <= 10 + 3


async def test_no_address_lies_on_the_bus(replicas: Replicas) -> None:
    await passed(replicas[0], Policy("address", 4), "203.0.113.77", 4)
    kept = await replicas.buses[0].kv_all(LIMITS_KV)
    assert kept
    assert not any("203.0.113.77" in key or b"203.0.113.77" in value for key, value in kept.items())


async def test_what_lies_in_the_bucket_may_be_nonsense(replicas: Replicas) -> None:
    policy, who = Policy("user", 4), new_id()
    for nonsense in (b"", b"{", b"[1]", b'["a", "b", "c"]', b"null"):
        await replicas.buses[0].kv_put(LIMITS_KV, module._key(policy, who), nonsense)
        assert (await replicas[0].hit(Policy("user", 100_000), new_id())).allowed
        assert await passed(Quotas(replicas[0]._open_bus, Clock()), policy, who, 6) == 4


async def test_a_bus_that_is_away_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with NatsServer(tmp_path / "nats") as server:
        bus = await connect(Settings(nats_url=server.url, data_dir=tmp_path), "away")
        await ensure_topology(bus)

        async def opened() -> Bus:
            return bus

        quotas, policy, who = Quotas(opened, Clock()), Policy("user", 50), new_id()
        await quotas._open()
        assert await passed(quotas, policy, who, 10) == 10
        assert shared() == 1
        server.kill()
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await passed(quotas, policy, who, 60) == 40, "it counts on by itself"
        assert loop.time() - began < 1.5
        assert shared() == 0
        server.start()
        monkeypatch.setattr(quotas, "_alone_until", 0.0)
        async with asyncio.timeout(15):
            while True:
                if shared():
                    break
                await asyncio.sleep(0.05)
        before = told()
        async with asyncio.timeout(15):
            # The bucket lay in the server's memory: the bus lays it again when it is back.
            while told() == before:
                assert await passed(quotas, policy, new_id(), 5) == 5
                await asyncio.sleep(0.05)
                monkeypatch.setattr(quotas, "_alone_until", 0.0)
        await quotas.close()
        await bus.close()


async def test_a_connection_that_hangs_holds_nobody_up() -> None:
    async def hangs() -> Bus:
        await asyncio.sleep(3600)
        raise AssertionError

    quotas = Quotas(hangs, Clock())
    async with asyncio.timeout(2):
        assert await passed(quotas, Policy("user", 50), "a", 60) == 50
    await quotas.close()
