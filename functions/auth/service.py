"""The rules of `auth`: signing in, staying signed in, and who the users are."""

from __future__ import annotations

import asyncio
import os
import re
from datetime import timedelta
from pathlib import Path
from weakref import WeakKeyDictionary

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from functions.auth import keys, passwords, repository
from functions.auth.schemas import USERNAME, PasswordChange, UserCreate, UserPage, UserUpdate, UserView
from functions.auth.throttle import Throttle
from functions.shared import logs
from functions.shared.context import Context
from functions.shared.contracts import new_id, now
from functions.shared.errors import Conflict, InvalidInput, Misconfigured, NotAuthenticated, NotFound
from functions.shared.idempotency import Answer, Attempt, once
from functions.shared.tables import RefreshToken, User
from functions.shared.tokens import Principal

log = logs.get("auth")
FIRST_ADMIN = "admin"
PAGE_MAX = 200
_WRONG = "the user name or the password is wrong"
_throttles: WeakKeyDictionary[Context, Throttle] = WeakKeyDictionary()


def _throttle(context: Context) -> Throttle:
    return _throttles.setdefault(context, Throttle())


async def login(context: Context, username: str, password: str, address: str) -> tuple[User, keys.Pair]:
    """Sign in. Raises NotAuthenticated, alike for an unknown user, a wrong password and a disabled one; Throttled."""
    username = username.strip().lower()
    with _throttle(context).attempt(username, address):
        user = await _authenticated(context, username, password, address)
    pair = await keys.issue(context, user)
    async with context.db.transaction() as session:
        await repository.drop_expired(session, now() - timedelta(days=1))
        # A password changed meanwhile has ended the sessions that it knew of; this one would outlive it.
        if not await repository.holds(session, user):
            raise NotAuthenticated(_WRONG)
        session.add(_row(context, user, pair))
    log.info("login", user_id=user.id, address=address)
    return user, pair


async def _authenticated(context: Context, username: str, password: str, address: str) -> User:
    user: User | None = None
    if re.fullmatch(USERNAME, username):
        async with context.db.read() as session:
            user = await repository.user_named(session, username)
    good = await passwords.matches(password, user.password_hash if user else None)
    if user is None or not good or user.disabled:
        log.warning("login_refused", user_id=user.id if user else None, address=address)
        raise NotAuthenticated(_WRONG)
    return user


def _row(context: Context, user: User, pair: keys.Pair) -> RefreshToken:
    at = now()
    return RefreshToken(
        id=pair.refresh_id, family=pair.family, user_id=user.id, issued_at=at, used_at=None, revoked_at=None,
        expires_at=at + timedelta(seconds=context.settings.refresh_ttl_s),
    )  # fmt: skip


async def refresh(context: Context, token: str | None) -> tuple[User, keys.Pair]:
    """Change a refresh token for a new pair. Used a second time it ends its family: one of the two users stole it."""
    if not token:
        raise NotAuthenticated("no refresh token is given; sign in")
    claims = await context.verifier.claims(token, "refresh")
    token_id = str(claims["jti"])
    async with context.db.read() as session:
        row = await repository.refresh_row(session, token_id)
        user = await repository.user(session, row.user_id) if row else None
    if row is None or user is None or user.disabled or row.revoked_at is not None:
        raise NotAuthenticated("this session has ended; sign in again")
    pair = await keys.issue(context, user, row.family)
    async with context.db.transaction() as session:
        first = await repository.use_refresh(session, token_id, now())
        if first:
            session.add(_row(context, user, pair))
        else:
            # Returned, not raised, inside the transaction: an exception would undo the revocation.
            await repository.revoke_family(session, row.family, now())
    if not first:
        log.warning("refresh_token_reused", user_id=user.id)
        raise NotAuthenticated("this refresh token was used before, so its session was ended; sign in again")
    return user, pair


async def logout(context: Context, token: str | None) -> None:
    """End the session of a refresh token; one that no longer holds has nothing to end."""
    if not token:
        return
    try:
        claims = await context.verifier.claims(token, "refresh")
    except NotAuthenticated:
        return
    async with context.db.transaction() as session:
        row = await repository.refresh_row(session, str(claims["jti"]))
        if row is not None:
            await repository.revoke_family(session, row.family, now())


async def me(context: Context, who: Principal) -> User:
    async with context.db.read() as session:
        user = await repository.user(session, who.user_id)
    if user is None or user.disabled:
        raise NotAuthenticated("this account has been disabled")
    return user


async def change_password(context: Context, who: Principal, change: PasswordChange, address: str) -> None:
    """Change one's own password; every session has to sign in anew when its access token ends."""
    user = await me(context, who)
    with _throttle(context).attempt(user.username, address):
        if not await passwords.matches(change.current_password.get_secret_value(), user.password_hash):
            raise InvalidInput("the current password is wrong", field="current_password")
    new = change.new_password.get_secret_value()
    passwords.require_strong(new, user.username, "new_password")
    if new == change.current_password.get_secret_value():
        raise InvalidInput("the new password is the old one", field="new_password")
    hashed = await passwords.hash_password(new)
    async with context.db.transaction() as session:
        row = await _existing(session, user.id)
        row.password_hash = hashed
        await repository.revoke_user(session, user.id, now())
    await _forget_first_password(context, user)
    log.info("password_changed", user_id=user.id)


async def create_user(context: Context, given: UserCreate, attempt: Attempt) -> Answer:
    """Raises InvalidInput for a weak password, Conflict for a name in use."""
    passwords.require_strong(given.password.get_secret_value(), given.username)
    hashed = await passwords.hash_password(given.password.get_secret_value())
    user = _new_user(given.username, hashed, given.role)

    async def work(session: AsyncSession) -> Answer:
        session.add(user)
        try:
            await session.flush()
        except IntegrityError:
            raise Conflict(f"there is a user {given.username} already", field="username") from None
        return Answer(201, UserView.of(user).model_dump(mode="json"))

    answer = await once(context, attempt, work)
    if not answer.replayed:
        log.info("user_created", user_id=user.id, role=user.role)
    return answer


def _new_user(username: str, hashed: str, role: str) -> User:
    return User(id=new_id(), username=username, password_hash=hashed, role=role, disabled=False, created_at=now())


async def list_users(context: Context, cursor: str | None, limit: int) -> UserPage:
    async with context.db.read() as session:
        rows = await repository.users_after(session, cursor or "", limit + 1)
    more = rows[limit - 1].id if len(rows) > limit else None
    return UserPage(items=[UserView.of(row) for row in rows[:limit]], next_cursor=more)


async def update_user(context: Context, user_id: str, change: UserUpdate) -> User:
    """Raises NotFound, InvalidInput (weak password), Conflict (the last active admin would be gone)."""
    async with context.db.read() as session:
        username = (await _existing(session, user_id)).username
    hashed: str | None = None
    if change.password is not None:
        passwords.require_strong(change.password.get_secret_value(), username)
        hashed = await passwords.hash_password(change.password.get_secret_value())
    async with context.db.transaction() as session:
        await repository.lock(session, User)
        user = await _existing(session, user_id)
        user.role = change.role or user.role
        user.disabled = user.disabled if change.disabled is None else change.disabled
        user.password_hash = hashed or user.password_hash
        if user.role != "admin" or user.disabled:
            await _require_other_admin(session, user)
        if user.disabled or hashed:
            await repository.revoke_user(session, user.id, now())
    if hashed:
        await _forget_first_password(context, user)
    log.info("user_updated", user_id=user.id, role=user.role, disabled=user.disabled)
    return user


async def _require_other_admin(session: AsyncSession, user: User) -> None:
    if await repository.other_active_admins(session, user.id) == 0:
        raise Conflict("this is the last active admin; make another one first", field="role")


async def _existing(session: AsyncSession, user_id: str) -> User:
    user = await repository.user(session, user_id) if re.fullmatch(r"[0-9a-f]{32}", user_id) else None
    if user is None:
        raise NotFound("there is no such user")
    return user


async def rotate_keys(context: Context) -> dict[str, object]:
    """A new signing key; the old ones verify on until the last token they signed is over. Private keys are
    encrypted anew under the first Fernet key."""
    life = timedelta(seconds=context.settings.refresh_ttl_s + 60)
    async with context.db.transaction() as session:
        await repository.drop_keys(session, now() - life)
    kid = await keys.new_key(context)
    return {"kid": kid, "encrypted": await keys.rotate_secrets(context)}


def first_password_file(context: Context) -> Path:
    """Where the random password of the first admin waits for the person who starts the platform."""
    return context.settings.data_dir / "keys" / "admin.password"


async def ensure_admin(context: Context) -> None:
    """Make the user `admin` where there is no user yet.

    The password is GTV_ADMIN_PASSWORD, or a random one that is written to `first_password_file` (mode 0600) and
    nowhere else. Raises Misconfigured when the given password is weak or the file cannot be written.
    """
    await passwords.warm_up()
    async with context.db.read() as session:
        if await repository.count_users(session):
            return
    given = context.settings.admin_password
    if given is not None:
        reason = passwords.weakness(given.get_secret_value(), FIRST_ADMIN)
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
            await asyncio.to_thread(_write_secret, first_password_file(context), password)
        session.add(_new_user(FIRST_ADMIN, hashed, "admin"))
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


async def _forget_first_password(context: Context, user: User) -> None:
    """The first password holds no more once another was set: a file that still shows it would mislead."""
    if user.username == FIRST_ADMIN:
        await asyncio.to_thread(first_password_file(context).unlink, missing_ok=True)
