"""Leases on a real bucket."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from capture.leases import RENEW_S, TTL_S, Leases
from functions.shared.bus import Bus
from functions.shared.topology import LEASES_KV


def make_due(leases: Leases, camera: str) -> None:
    lease = leases._held[camera]
    leases._held[camera] = replace(lease, renewed_at=lease.renewed_at - RENEW_S)


async def test_one_holder_until_it_lets_go(bus: Bus) -> None:
    one, other = Leases(bus, "one"), Leases(bus, "other")
    assert await one.take("a")
    assert await one.take("a")
    assert not await other.take("a")
    await one.release("a")
    assert not one.valid("a")
    assert await other.take("a")
    await other.release("a")


async def test_a_lease_that_was_forgotten_while_it_is_renewed_leaves_no_ghost(bus: Bus) -> None:
    leases = Leases(bus, "one")
    assert await leases.take("b")
    make_due(leases, "b")
    renewal = asyncio.create_task(leases.renew())
    for _ in range(3):  # until the request is on its way
        await asyncio.sleep(0)
    leases.forget("b")
    await renewal
    assert leases.held == set()
    assert await bus.kv_get(LEASES_KV, "b") is None
    assert await leases.take("b")
    await leases.release("b")


async def test_a_holder_claims_again_what_an_empty_bucket_forgot_and_others_wait(bus: Bus) -> None:
    one, other = Leases(bus, "one"), Leases(bus, "other")
    assert await one.take("c")
    await bus.kv_delete(LEASES_KV, "c")
    one.lost()
    other.lost()
    assert not await other.take("c")
    make_due(one, "c")
    assert await one.renew() == set()
    assert one.valid("c")
    assert await bus.kv_get(LEASES_KV, "c") == b"one"
    await one.release("c")


async def test_a_lease_in_another_hand_is_lost_at_the_next_renewal(bus: Bus) -> None:
    one = Leases(bus, "one")
    assert await one.take("d")
    await bus.kv_put(LEASES_KV, "d", b"other")
    make_due(one, "d")
    assert await one.renew() == {"d"}
    assert not one.valid("d")
    await bus.kv_delete(LEASES_KV, "d")


async def test_a_holder_stops_before_the_bucket_lets_go(bus: Bus) -> None:
    one = Leases(bus, "one")
    assert await one.take("e")
    lease = one._held["e"]
    assert lease.valid_until - lease.renewed_at < TTL_S
    await one.release("e")
