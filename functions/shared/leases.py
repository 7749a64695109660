"""Work that one process at a time does, or one process in a while: whoever holds its row of `leases` may."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import or_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from functions.shared.contracts import now
from functions.shared.tables import Lease


async def take_lease(session: AsyncSession, name: str, holder: str, life: timedelta) -> bool:
    """Take or renew a lease, in a transaction of its own; False while another holds it."""
    at = now()
    mine = update(Lease).where(Lease.name == name, or_(Lease.holder == holder, Lease.until < at))
    done = await session.execute(mine.values(holder=holder, until=at + life).returning(Lease.name))
    if done.first() is not None:
        return True
    if await session.get(Lease, name) is not None:
        return False
    session.add(Lease(name=name, holder=holder, until=at + life))
    try:
        await session.flush()
    except IntegrityError:
        await session.rollback()
        return False
    return True
