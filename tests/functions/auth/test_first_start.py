"""The first start: keys and the first admin, made once however many processes start at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from functions.auth import first_start, keys, repository, service
from functions.auth.throttle import Origin
from functions.shared.config import FunctionSettings
from functions.shared.context import Context
from functions.shared.errors import Misconfigured
from functions.shared.tables import SigningKey, User
from tests.functions.auth.conftest import PASSWORD

Open = Callable[..., Context]


@pytest.fixture
async def open_context(settings: FunctionSettings) -> AsyncIterator[Open]:
    opened: list[Context] = []

    def make(**changed: object) -> Context:
        opened.append(Context(settings.model_copy(update=changed), "auth"))
        return opened[-1]

    yield make
    for context in opened:
        await context.close()


async def everything(context: Context) -> tuple[list[SigningKey], list[User]]:
    async with context.db.read() as session:
        return list(await session.scalars(select(SigningKey))), list(await session.scalars(select(User)))


async def test_replicas_that_start_at_once_make_one_key_and_one_admin(
    open_context: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, count = repository.signing_key, repository.count_users

    async def look_slowly(session: AsyncSession) -> SigningKey | None:
        found = await look(session)
        await asyncio.sleep(0.5)  # keys take unlike times to make
        return found

    async def count_slowly(session: AsyncSession) -> int:
        found = await count(session)
        await asyncio.sleep(0.1)
        return found

    # Long enough between the question and the commit for every replica to ask too, were it let in.
    monkeypatch.setattr(repository, "signing_key", look_slowly)
    monkeypatch.setattr(repository, "count_users", count_slowly)
    replicas = [open_context(admin_password=None) for _ in range(4)]

    async def start(context: Context) -> None:
        await keys.ensure_keys(context)
        await first_start.ensure_admin(context)

    await asyncio.gather(*(start(context) for context in replicas))
    signing, users = await everything(replicas[0])
    assert len(signing) == 1
    assert [(user.username, user.role) for user in users] == [("admin", "admin")]
    password = first_start.password_file(replicas[0]).read_text().strip()
    signed = await service.login(replicas[1], "admin", password, Origin("127.0.0.1"))
    assert signed.user.id == users[0].id


async def test_a_second_start_changes_nothing(open_context: Open) -> None:
    for _ in range(2):
        context = open_context(admin_password=None)
        await keys.ensure_keys(context)
        await first_start.ensure_admin(context)
        seen = first_start.password_file(context).read_text()
    signing, users = await everything(context)
    assert (len(signing), len(users)) == (1, 1)
    assert first_start.password_file(context).read_text() == seen


async def test_the_random_password_is_in_one_private_file_and_in_no_log(
    open_context: Open, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    context = open_context(admin_password=None)
    await keys.ensure_keys(context)
    await first_start.ensure_admin(context)
    file = first_start.password_file(context)
    assert file == context.settings.data_dir / "keys" / "admin.password"
    assert file.stat().st_mode & 0o777 == 0o600
    password = file.read_text().strip()
    assert len(password) >= 20
    out, err = capfd.readouterr()
    assert password not in out + err + caplog.text
    assert "first_admin_made" in caplog.text


async def test_the_password_of_the_setting_is_written_nowhere(open_context: Open) -> None:
    context = open_context()
    await first_start.ensure_admin(context)
    assert not first_start.password_file(context).exists()
    await keys.ensure_keys(context)
    signed = await service.login(context, "admin", PASSWORD, Origin("127.0.0.1"))
    assert signed.user.role == "admin"


@pytest.mark.parametrize(("password", "reason"), [("short", "characters"), ("admin-2026-xyzw", "user name")])
async def test_a_weak_password_of_the_setting_is_refused_with_the_reason(
    open_context: Open, password: str, reason: str
) -> None:
    context = open_context(admin_password=SecretStr(password))
    with pytest.raises(Misconfigured, match=f"GTV_ADMIN_PASSWORD .*{reason}") as caught:
        await first_start.ensure_admin(context)
    assert caught.value.details["mend"]
    assert password not in caught.value.message
    assert (await everything(context))[1] == []


async def test_a_data_folder_that_takes_no_file_is_named_and_no_admin_made(open_context: Open, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the folder should be")
    context = open_context(admin_password=None, data_dir=blocked)
    with pytest.raises(Misconfigured, match=r"admin\.password"):
        await first_start.ensure_admin(context)
    assert (await everything(context))[1] == []


async def test_private_keys_are_encrypted_and_survive_a_change_of_the_fernet_key(open_context: Open) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    first = open_context(fernet_keys=(SecretStr(old),))
    await keys.ensure_keys(first)
    (before,), _ = await everything(first)
    assert "PRIVATE KEY" not in before.private_encrypted
    both = open_context(fernet_keys=(SecretStr(new), SecretStr(old)))
    async with both.db.transaction() as session:
        assert await keys.rotate_secrets(both, session) == 1
    after = open_context(fernet_keys=(SecretStr(new),))
    await keys.ensure_keys(after)
    with pytest.raises(Misconfigured, match="key that is not given"):
        await keys.ensure_keys(open_context(fernet_keys=(SecretStr(old),)))
    (row,), _ = await everything(after)
    assert row.kid == before.kid
