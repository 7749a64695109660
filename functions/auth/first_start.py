"""The first admin, made where there is no user yet."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from functions.auth import passwords, repository
from functions.shared import audit, logs
from functions.shared.audit import Act
from functions.shared.context import Context
from functions.shared.contracts import new_id, now
from functions.shared.errors import Misconfigured
from functions.shared.tables import User

log = logs.get("auth")
FIRST_ADMIN = "admin"


def password_file(context: Context) -> Path:
    """Where the random password of the first admin waits for the person who starts the platform."""
    return context.settings.data_dir / "keys" / "admin.password"


async def ensure_admin(context: Context) -> None:
    """Make the user `admin` where there is no user yet.

    The password is GTV_ADMIN_PASSWORD, or a random one that is written to `password_file` (mode 0600) and
    nowhere else. Raises Misconfigured when the given password is weak or the file cannot be written.
    """
    await passwords.warm_up()
    async with context.db.read() as session:
        if await repository.count_users(session):
            return
    given = context.settings.admin_password
    if given is not None:
        reason = await passwords.weakness_of(given.get_secret_value(), FIRST_ADMIN)
        if reason is not None:
            raise Misconfigured(f"GTV_ADMIN_PASSWORD {reason}", mend="choose another one, or leave it unset")
    password = given.get_secret_value() if given is not None else passwords.random_password()
    hashed = await passwords.hash_password(password)
    async with context.db.transaction() as session:
        await repository.lock(session, User)
        if await repository.count_users(session):
            return
        if given is None:
            # Before the commit: a password that nobody can learn would lock everybody out.
            await asyncio.to_thread(_write_secret, password_file(context), password)
        user = User(
            id=new_id(), username=FIRST_ADMIN, password_hash=hashed, role="admin", disabled=False, created_at=now()
        )
        session.add(user)
        await audit.record(context.vault, session, "auth", Act("user.created", user.id, None, {"role": "admin"}))
    log.info("first_admin_made", username=FIRST_ADMIN, source="setting" if given is not None else "random")


def _write_secret(path: Path, secret: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(secret + "\n")
    except OSError as error:
        raise Misconfigured(
            f"the first admin's password cannot be written to {path}: {error.strerror}",
            mend="make GTV_DATA_DIR writable, or set GTV_ADMIN_PASSWORD",
        ) from error


async def forget_password(context: Context, user: User) -> None:
    """The first password holds no more once another was set: a file that still shows it would mislead."""
    if user.username == FIRST_ADMIN:
        await asyncio.to_thread(password_file(context).unlink, missing_ok=True)
