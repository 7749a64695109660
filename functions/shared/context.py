"""What a function's process holds: settings and the doors outward, each opened at first use and closed once."""

from __future__ import annotations

import asyncio
from functools import cached_property

from functions.shared import bus as bus_module
from functions.shared.bus import Bus
from functions.shared.config import FunctionSettings
from functions.shared.db import Database
from functions.shared.outbox import Relay
from functions.shared.quotas import Quotas
from functions.shared.store import Store, open_store
from functions.shared.tokens import TokenVerifier
from functions.shared.vault import Vault


class Context:
    """One a process. Nothing connects before it is needed, so that a cold start is cheap."""

    def __init__(self, settings: FunctionSettings, name: str) -> None:
        self.settings, self.name = settings, name
        self._bus: Bus | None = None
        self._relay: Relay | None = None
        self._opening = asyncio.Lock()

    @cached_property
    def db(self) -> Database:
        return Database.open(self.settings)

    @cached_property
    def vault(self) -> Vault:
        return Vault.open(self.settings)

    @cached_property
    def store(self) -> Store:
        return open_store(self.settings, self.vault)

    @cached_property
    def verifier(self) -> TokenVerifier:
        return TokenVerifier(self.db, self.settings.token_issuer, self.settings.token_audience)

    @cached_property
    def quotas(self) -> Quotas:
        return Quotas(self.bus)

    async def bus(self) -> Bus:
        """The connection to NATS with its topology laid. Raises BusUnavailable."""
        async with self._opening:
            if self._bus is None:
                bus = await bus_module.connect(self.settings, self.name, wait_s=5.0)
                try:
                    await bus_module.ensure_topology(bus)
                except BaseException:
                    await bus.close()
                    raise
                self._bus = bus
        return self._bus

    async def relay(self) -> Relay:
        """The outbox relay of this process, running. Raises BusUnavailable."""
        bus = await self.bus()
        if self._relay is None:
            self._relay = Relay(self.db, bus)
            self._relay.start()
        return self._relay

    async def close(self) -> None:
        if "quotas" in self.__dict__:
            await self.quotas.close()
        if self._relay is not None:
            await self._relay.close()
        if self._bus is not None:
            await self._bus.close()
        if "db" in self.__dict__:
            await self.db.close()
