"""The rules of signing in and staying signed in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from functions.auth import first_start, keys, passwords, repository, sessions, throttle
from functions.auth.schemas import USERNAME, KeyRotation, Me, PasswordChange
from functions.auth.throttle import Origin
from functions.shared import audit, logs
from functions.shared.audit import Act
from functions.shared.context import Context
from functions.shared.contracts import now
from functions.shared.errors import GTVisionError, InvalidInput, NotAuthenticated, Throttled
from functions.shared.tables import SigningKey, User
from functions.shared.tokens import Principal, dormant

log = logs.get("auth")
_WRONG = "the user name or the password is wrong"


@dataclass(frozen=True)
class SignedIn:
    """Who signed in, their tokens, and the new cookie of known devices."""

    user: User
    pair: keys.Pair
    devices: str


async def login(context: Context, username: str, password: str, origin: Origin) -> SignedIn:
    """Sign in. Raises NotAuthenticated, alike for an unknown user, a wrong password and a disabled one; Throttled."""
    username = username.strip().lower()
    try:
        async with throttle.attempt(context, username, origin):
            user = await _authenticated(context, username, password, origin)
    except Throttled:
        log.warning("login_put_off", address=origin.address)
        raise
    await require_active(context, user, origin)
    pair = await keys.issue(context, user)
    async with context.db.transaction() as session:
        # A password changed meanwhile has ended the sessions that it knew of; this one would outlive it.
        if not await repository.holds(session, user):
            raise NotAuthenticated(_WRONG)
        await sessions.begin(context, session, user, pair, ("password", origin))
        act = Act("login", user.id, None, {"address": origin.address, "method": "password"})
        await audit.record(context.vault, session, sessions.principal_of(user, pair.family), act)
    log.info("login", user_id=user.id, address=origin.address)
    return SignedIn(user, pair, throttle.with_device(context, username, origin.devices))


async def _authenticated(context: Context, username: str, password: str, origin: Origin) -> User:
    user: User | None = None
    if re.fullmatch(USERNAME, username):
        async with context.db.read() as session:
            user = await repository.user_named(session, username)
    good = await passwords.matches(password, user.password_hash if user else None)
    if user is None or not good or user.disabled:
        await refused(context, user, origin, "disabled" if user is not None and good else "password")
        raise NotAuthenticated(_WRONG)
    return user


async def refused(context: Context, user: User | None, origin: Origin, why: str) -> None:
    """Log and audit a sign-in that failed. What was typed as the name stays out of it unless it is a user's: people
    type passwords there, and the audit log keeps for ever what it is given."""
    log.warning("login_refused", user_id=user.id if user else None, address=origin.address, why=why)
    details = {"address": origin.address, "why": why if user else "unknown user"}
    actor: Principal | str = sessions.principal_of(user) if user else "nobody"
    async with context.db.transaction() as session:
        act = Act("login.refused", user.id if user else "", None, details)
        await audit.record(context.vault, session, actor, act)


async def require_active(context: Context, user: User, origin: Origin) -> None:
    """Raises NotAuthenticated for an account that was not used for so long that it is locked (GTV_INACTIVE_DAYS).

    Only who has proven to be the user gets here, so they are told. The last admin that is left is let in.
    """
    days, at = context.settings.inactive_days, now()
    if not dormant(user, days, at):
        return
    if user.role == "admin":
        async with context.db.read() as session:
            if not await repository.other_active_admins(session, user.id, at - timedelta(days=days)):
                return
    await refused(context, user, origin, "inactive")
    raise NotAuthenticated(
        f"this account was locked, since it was not used for {days} days; ask an admin to let it in again",
        reason="inactive",
    )


async def refresh(context: Context, token: str | None) -> tuple[User, keys.Pair]:
    """Change a refresh token for a new pair. Used a second time it ends its session: one of the two users stole it."""
    if not token:
        raise NotAuthenticated("no refresh token is given; sign in")
    claims = await context.verifier.claims(token, "refresh")
    token_id = str(claims["jti"])
    async with context.db.read() as session:
        row = await repository.refresh_row(session, token_id)
        user = await repository.user(session, row.user_id) if row else None
        family = await repository.session_row(session, row.family) if row else None
    if row is None or user is None or user.disabled or family is None or family.ended_at is not None:
        raise NotAuthenticated("this session has ended; sign in again")
    pair = await keys.issue(context, user, row.family)
    # Returned, not raised, inside the transaction: an exception would undo the end of the session.
    failure: GTVisionError | None = None
    async with context.db.transaction() as session:
        if not await repository.use_refresh(session, token_id, now()):
            await sessions.reused(context, session, user, row.family)
            failure = NotAuthenticated(
                "this refresh token was used before, so its session was ended; sign in again", reason="reused"
            )
        elif not await sessions.renew(context, session, user, pair):
            failure = NotAuthenticated("this session has ended; sign in again")
    if failure is not None:
        log.warning("refresh_refused", user_id=user.id, reason=failure.message)
        raise failure
    return user, pair


async def me(context: Context, who: Principal) -> Me:
    async with context.db.read() as session:
        user = await repository.user(session, who.user_id)
        if user is None or user.disabled:
            raise NotAuthenticated("this account has been disabled")
    permissions = sorted(who.permissions) if who.permissions is not None else None
    groups = sorted(who.scope.groups) if who.scope.groups is not None else None
    return Me.of(user, groups=groups, permissions=permissions)


async def change_password(context: Context, who: Principal, change: PasswordChange, origin: Origin) -> None:
    """Change one's own password; every other session of the account ends."""
    async with context.db.read() as session:
        user = await repository.user(session, who.user_id)
    if user is None:
        raise NotAuthenticated("this account has been disabled")
    if user.sign_in != "password":
        raise InvalidInput("this account signs in without a password of ours", field="new_password")
    async with throttle.attempt(context, user.username, origin):
        if not await passwords.matches(change.current_password.get_secret_value(), user.password_hash):
            raise InvalidInput("the current password is wrong", field="current_password")
    new = change.new_password.get_secret_value()
    await passwords.require_strong(new, user.username, "new_password")
    if new == change.current_password.get_secret_value():
        raise InvalidInput("the new password is the old one", field="new_password")
    hashed = await passwords.hash_password(new)
    async with context.db.transaction() as session:
        row = await repository.user(session, user.id)
        if row is None or row.password_hash != user.password_hash:
            raise NotAuthenticated("the password was changed meanwhile; sign in again")
        row.password_hash, row.revision = hashed, row.revision + 1
        ended = await repository.end_sessions_of(session, user.id, now(), but=who.session_id)
        act = Act("password.changed", user.id, None, {"address": origin.address, "sessions_ended": ended})
        await audit.record(context.vault, session, who, act)
    await first_start.forget_password(context, user)
    log.info("password_changed", user_id=user.id)


async def rotate_keys(context: Context, who: Principal, how: KeyRotation) -> dict[str, object]:
    """A new signing key; the old ones verify on until the last token they signed is over, unless they are to be
    revoked, which signs everybody out. Private keys are encrypted anew under the first Fernet key."""
    row = await keys.make(context)
    async with context.db.transaction() as session:
        await repository.lock(session, SigningKey)
        if how.revoke_old:
            await repository.retire_keys(session, now(), now())
            await repository.drop_keys(session, None)
        await keys.replace(context, session, row)
        await session.flush()
        encrypted = await keys.rotate_secrets(context, session)
        act = Act("signing_key.rotated", row.kid, None, {"revoke_old": how.revoke_old})
        await audit.record(context.vault, session, who, act)
    log.info("signing_key_made", kid=row.kid, revoke_old=how.revoke_old)
    return {"kid": row.kid, "encrypted": encrypted}
