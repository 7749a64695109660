"""The brake on guessing: what it counts, whom it lets through, and that nobody can be kept out by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import httpx
import pytest
from sqlalchemy import select

from functions.auth import throttle
from functions.auth.cookies import DEVICE_COOKIE
from functions.auth.throttle import PER_NETWORK, PER_PAIR, SLOW, SLOW_AFTER, WINDOW, Origin
from functions.shared.addresses import network_of
from functions.shared.config import FunctionSettings
from functions.shared.context import Context
from functions.shared.contracts import now
from functions.shared.errors import DatabaseUnavailable, NotAuthenticated, Throttled
from functions.shared.tables import SignInTry
from tests.functions.auth.conftest import PASSWORD
from tests.functions.serving import Served

HERE = Origin("10.0.0.1")
Passing = Callable[[timedelta], None]


@pytest.fixture
async def context(settings: FunctionSettings) -> AsyncIterator[Context]:
    context = Context(settings, "auth")
    yield context
    await context.close()


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Passing:
    """Let time pass for the brake."""
    at = [now()]
    monkeypatch.setattr(throttle, "now", lambda: at[0])

    def forward(by: timedelta) -> None:
        at[0] += by

    return forward


async def fail(context: Context, username: str, origin: Origin = HERE, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(NotAuthenticated):
            async with throttle.attempt(context, username, origin):
                raise NotAuthenticated("wrong")


async def succeed(context: Context, username: str, origin: Origin = HERE) -> None:
    async with throttle.attempt(context, username, origin):
        pass


async def put_off(context: Context, username: str, origin: Origin = HERE) -> int:
    """The seconds that the brake asks for."""
    with pytest.raises(Throttled) as caught:
        await succeed(context, username, origin)
    wait = caught.value.details["retry_after"]
    assert isinstance(wait, int)
    return wait


async def test_one_name_from_one_network_is_refused_for_a_window_that_doubles(
    context: Context, passes: Passing
) -> None:
    window = WINDOW
    for _ in range(6):
        await fail(context, "ana", times=PER_PAIR)
        assert await put_off(context, "ana") <= window.total_seconds() + 1
        passes(window - timedelta(seconds=2))
        assert await put_off(context, "ana") <= 3
        passes(timedelta(seconds=2))
        window = min(2 * window, throttle.LONGEST)
    # Somebody who guesses no more is forgiven.
    await fail(context, "ana")
    passes(window)
    await fail(context, "ana", times=PER_PAIR)
    assert await put_off(context, "ana") <= WINDOW.total_seconds() + 1


async def test_a_network_is_counted_over_names(context: Context, passes: Passing) -> None:
    for number in range(PER_NETWORK):
        await fail(context, f"user{number}")
    await put_off(context, "one-more")
    await succeed(context, "one-more", Origin("10.0.0.2"))
    passes(WINDOW + timedelta(seconds=1))
    await succeed(context, "one-more")


async def test_many_networks_slow_one_name_and_keep_nobody_out(context: Context, passes: Passing) -> None:
    """A crowd that guesses day and night gets one try each ten seconds; so does the user, from wherever they are."""
    for number in range(SLOW_AFTER):
        await fail(context, "ana", Origin(f"10.1.{number}.1"))
    elsewhere = Origin("192.0.2.7")
    assert await put_off(context, "ana", elsewhere) <= SLOW.total_seconds() + 1
    for number in range(20):
        passes(SLOW)
        await fail(context, "ana", Origin(f"10.2.{number}.1"))
        assert await put_off(context, "ana", elsewhere) <= SLOW.total_seconds() + 1
    passes(SLOW)
    await succeed(context, "ana", elsewhere)


async def test_a_device_that_signed_in_before_has_a_budget_of_its_own(context: Context) -> None:
    cookie = throttle.with_device(context, "ana", "")
    own = replace(HERE, devices=cookie)
    # A neighbour behind the same address uses the network's and the pair's budget up; it cannot touch the device's.
    await fail(context, "ana", times=PER_PAIR)
    await put_off(context, "ana")
    await succeed(context, "ana", own)
    await fail(context, "ana", own, times=PER_PAIR)
    await put_off(context, "ana", own)


async def test_a_cookie_of_a_device_is_signed_for_one_name_and_ends(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = throttle.with_device(context, "ana", "")
    assert throttle.known_device(context, "ana", cookie)
    assert throttle.known_device(context, "bia", cookie) is None
    nonce, at, signature = cookie.split(".")
    for forged in (
        f"{nonce}.{int(at) + 1}.{signature}",
        f"{'A' * 22}.{at}.{signature}",
        f"{nonce}.{at}.{'0' * 32}",
        "~",
    ):
        assert throttle.known_device(context, "ana", forged) is None
    # A browser that two people use knows both, and no more than eight.
    both = throttle.with_device(context, "bia", cookie)
    assert all(throttle.known_device(context, name, both) for name in ("ana", "bia"))
    for number in range(20):
        both = throttle.with_device(context, f"user{number}", both)
    assert both.count("~") == 7
    assert throttle.known_device(context, "ana", both) is None
    over = int(at) + throttle.DEVICE_S + 1
    monkeypatch.setattr("functions.auth.throttle.time.time", lambda: over)
    assert throttle.known_device(context, "ana", cookie) is None


async def test_a_network_that_the_user_signed_in_from_is_not_slowed_by_strangers(auth: Served) -> None:
    async with auth.another_client("10.9.9.9") as known:
        assert (await sign_in(known)).status_code == 200
        known.cookies.clear()
        for number in range(SLOW_AFTER):
            await fail(auth.context, "admin", Origin(f"10.1.{number}.1"))
        async with auth.another_client("10.3.3.3") as unknown:
            assert (await sign_in(unknown)).status_code == 429
        assert (await sign_in(known)).status_code == 200


async def sign_in(client: httpx.AsyncClient, password: str = PASSWORD, **more: str) -> httpx.Response:
    return await client.post("/api/auth/login", json={"username": "admin", "password": password, **more})


async def test_guessing_by_the_route_is_put_off_with_the_time_to_wait(auth: Served) -> None:
    for _ in range(PER_PAIR):
        assert (await sign_in(auth.client, "Wrong-Wrong-1234x")).status_code == 401
    answer = await sign_in(auth.client)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    async with auth.another_client("10.1.2.3") as elsewhere:
        assert (await sign_in(elsewhere)).status_code == 200


async def test_a_browser_keeps_its_budget_by_the_cookie_of_its_sign_in(auth: Served) -> None:
    assert (await sign_in(auth.client, session="cookie")).status_code == 200
    assert auth.client.cookies.get(DEVICE_COOKIE)
    async with auth.another_client() as neighbour:
        for _ in range(PER_PAIR):
            await sign_in(neighbour, "Wrong-Wrong-1234x")
        assert (await sign_in(neighbour)).status_code == 429
    assert (await sign_in(auth.client)).status_code == 200


async def test_guesses_at_once_do_not_slip_through(auth: Served) -> None:
    tries = PER_PAIR + 6
    answers = await asyncio.gather(*(sign_in(auth.client, f"Wrong-Wrong-{n}-x") for n in range(tries)))
    assert sorted(answer.status_code for answer in answers) == [401] * PER_PAIR + [429] * 6


async def test_replicas_count_together(settings: FunctionSettings) -> None:
    """Two processes on one database share no memory; each has made half of the tries."""
    replicas = [Context(settings, "auth") for _ in range(2)]
    try:
        for number in range(PER_PAIR):
            await fail(replicas[number % 2], "ana")
        for replica in replicas:
            await put_off(replica, "ana")
    finally:
        for replica in replicas:
            await replica.close()


async def test_what_is_put_off_costs_nothing_and_leaves_no_row(context: Context) -> None:
    for number in range(PER_NETWORK):
        await fail(context, f"user{number}")
    before = await rows(context)
    for number in range(20):
        await put_off(context, f"other{number}")
    assert await rows(context) == before


async def test_rows_go_after_a_day_and_hold_no_name(context: Context, passes: Passing) -> None:
    await fail(context, "my-secret-password-in-the-wrong-box")
    assert all("secret" not in key for key in await rows(context))
    passes(timedelta(days=1, seconds=1))
    await succeed(context, "ana")
    assert len(await rows(context)) == 2  # the network's and the name's: the pair's is forgotten at a success


async def rows(context: Context) -> dict[str, tuple[int, datetime]]:
    async with context.db.read() as session:
        return {row.key: (row.failures, row.since) for row in await session.scalars(select(SignInTry))}


async def test_a_success_forgives_the_pair_but_not_the_network(context: Context) -> None:
    for _ in range(PER_NETWORK // (PER_PAIR - 1)):
        await fail(context, "ana", times=PER_PAIR - 1)
        await succeed(context, "ana")
        # What the name has on its own account is another test's.
        await drop_name(context, "ana")
    for number in range(PER_NETWORK % (PER_PAIR - 1)):
        await fail(context, f"user{number}")
    await put_off(context, "bia")


async def drop_name(context: Context, username: str) -> None:
    async with context.db.transaction() as session:
        row = await session.get(SignInTry, throttle._key(context, "name", username))
        if row is not None:
            await session.delete(row)


async def test_signing_in_rightly_is_never_braked(context: Context) -> None:
    for _ in range(PER_NETWORK + 5):
        await succeed(context, "ana")


async def test_a_failure_of_ours_is_nobodys_guess(context: Context) -> None:
    for _ in range(2 * PER_PAIR):
        with pytest.raises(DatabaseUnavailable):
            async with throttle.attempt(context, "ana", HERE):
                raise DatabaseUnavailable("away")
    await succeed(context, "ana")


def test_the_addresses_of_one_line_are_counted_as_one() -> None:
    assert network_of("2001:db8:0:7::1") == network_of("2001:db8:0:7:ffff::1")
    assert network_of("2001:db8:0:7::1") != network_of("2001:db8:0:8::1")
    assert network_of("::ffff:10.0.0.1") == network_of("10.0.0.1") == "10.0.0.1"
    assert network_of("a unix socket") == "a unix socket"
