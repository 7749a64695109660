"""`python -m functions.auth.rescue USER`: for the day on which no admin can sign in any more.

Makes the user an enabled admin with a new password, or makes the user, and prints the password. It needs what only who
runs the platform has: the settings of the database and the Fernet keys. The audit log tells of it.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Sequence

from functions.auth import passwords, repository
from functions.auth.schemas import USERNAME
from functions.shared import audit, logs
from functions.shared.audit import Act
from functions.shared.config import FunctionSettings, load
from functions.shared.context import Context
from functions.shared.contracts import new_id, now
from functions.shared.errors import GTVisionError, InvalidInput
from functions.shared.exits import OK, USAGE, exit_code
from functions.shared.tables import User


async def rescue(context: Context, username: str) -> str:
    """The new password of an admin. Raises InvalidInput for what is no user name."""
    if not re.fullmatch(USERNAME, username):
        raise InvalidInput("that is no user name", field="user")
    password = passwords.random_password()
    hashed = await passwords.hash_password(password)
    async with context.db.transaction() as session:
        await repository.lock(session, User)
        user = await repository.user_named(session, username)
        if user is None:
            user = User(id=new_id(), username=username, created_at=now(), revision=0)
            session.add(user)
        user.password_hash, user.role, user.disabled, user.all_groups = hashed, "admin", False, True
        user.sign_in, user.oidc_issuer, user.oidc_subject, user.active_at = "password", None, None, now()
        user.revision += 1
        await session.flush()
        await repository.end_sessions_of(session, user.id, now())
        await audit.record(context.vault, session, "rescue", Act("user.rescued", user.id, None, {"username": username}))
    return password


async def _run(username: str) -> str:
    context = Context(load(FunctionSettings), "rescue")
    try:
        return await rescue(context, username)
    finally:
        await context.close()


def main(argv: Sequence[str]) -> int:
    logs.configure()
    if len(argv) != 1:
        sys.stderr.write("usage: python -m functions.auth.rescue USER\n")
        return USAGE
    try:
        password = asyncio.run(_run(argv[0]))
    except GTVisionError as error:
        mend = error.details.get("mend")
        sys.stderr.write(f"error: {error.message}{f' - {mend}' if mend else ''}\n")
        return exit_code(error)
    sys.stdout.write(f"{password}\n")
    return OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
