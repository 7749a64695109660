"""Looking for cameras: who answers WS-Discovery, and what listens at the addresses of a range.

Bounded in addresses, in time and by GTV_CAMERA_NETWORKS: nothing is asked, and nothing that answers is shown, outside
of them. A process of its own sends and reads (`discovery_child`).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address, ip_network, summarize_address_range
from weakref import WeakSet

from functions.cameras import child, repository, service, urls
from functions.cameras.device_schemas import Discovered, DiscoverRequest, FoundDevice
from functions.cameras.views import address
from functions.shared import camera_networks, logs
from functions.shared.audit import Act
from functions.shared.context import Context
from functions.shared.errors import InvalidInput, Throttled
from functions.shared.tokens import Principal

log = logs.get("cameras")
MOST = 1024
LIMIT_S = 40.0
_running: WeakSet[Context] = WeakSet()


async def discover(context: Context, asked: DiscoverRequest, who: Principal) -> Discovered:
    """Raises InvalidInput (a range), Throttled (one at a time)."""
    allowed = camera_networks.networks(context.settings.camera_networks)
    wanted = expand(asked.ranges, allowed)
    if not asked.multicast and not wanted:
        raise InvalidInput("ranges: name at least one address, or ask by multicast", field="ranges")
    if context in _running:
        raise Throttled("somebody is looking for cameras already; try again in half a minute", retry_after=30)
    _running.add(context)
    started = time.monotonic()
    try:
        await service.note(context, who, Act("cameras.discover", details={"ranges": asked.ranges}))
        given = {
            "addresses": wanted, "multicast": asked.multicast, "ports": asked.ports, "rtsp_ports": asked.rtsp_ports,
        }  # fmt: skip
        answer = await child.ask("functions.cameras.discovery_child", json.dumps(given).encode(), LIMIT_S)
    finally:
        _running.discard(context)
    items = _shown(answer.get("items", ()), allowed)
    await _mark_known(context, items, who)
    warnings = [] if "reason" not in answer else ["the search took too long, or failed; ask for fewer addresses"]
    if asked.multicast and not items:
        warnings.append("nothing answered; multicast stays in the machine's own network: name ranges of addresses")
    seconds = round(time.monotonic() - started, 3)
    log.info("cameras_discovered", found=len(items), asked=len(wanted), seconds=seconds)
    return Discovered(items=items, asked=len(wanted), seconds=seconds, warnings=warnings)


def expand(ranges: Sequence[str], allowed: Sequence[camera_networks.Network]) -> list[str]:
    """Every address of the ranges, each once. Raises InvalidInput for one where no camera may be.

    >>> expand(["10.0.0.8/30", "10.0.0.9-12"], camera_networks.networks(["10.0.0.0/8"]))
    ['10.0.0.8', '10.0.0.9', '10.0.0.10', '10.0.0.11', '10.0.0.12']
    """
    found: dict[str, None] = {}
    for text in ranges:
        for network in _networks(text):
            if network.num_addresses + len(found) > MOST:
                raise InvalidInput(f"ranges: more than {MOST} addresses; ask in parts", field="ranges", limit=MOST)
            for one in network:
                reason = camera_networks.refusal(one, allowed) or _not_named(one, allowed)
                if reason:
                    raise InvalidInput(f"ranges: {text} {reason}", field="ranges", reason=reason)
                found[str(one)] = None
    return list(found)


def _networks(text: str) -> Sequence[IPv4Network | IPv6Network]:
    first, dash, last = (part.strip() for part in text.partition("-"))
    try:
        if not dash:
            return [ip_network(first, strict=False)]
        begin = ip_address(first)
        # 10.0.0.5-60 is what people write for 10.0.0.5-10.0.0.60.
        end = ip_address(f"{first.rpartition('.')[0]}.{last}" if last.isdigit() and "." in first else last)
        if not isinstance(begin, IPv4Address) or not isinstance(end, IPv4Address):
            raise ValueError("a range is of IPv4 addresses")
        return list(summarize_address_range(begin, end))
    except (ValueError, TypeError):
        reason = "is no network, range or address; write 10.0.0.0/24, 10.0.0.5-10.0.0.60 or 10.0.0.7"
        raise InvalidInput(f"ranges: {text[:40]!r} {reason}", field="ranges", reason=reason) from None


def _not_named(one: camera_networks.Address, allowed: Sequence[camera_networks.Network]) -> str:
    """Strangers' addresses are scanned only where the settings name their network: "everywhere" names none."""
    named = any(network.prefixlen > 0 and network.version == one.version and one in network for network in allowed)
    return "" if named or not one.is_global else "is on the internet; GTV_CAMERA_NETWORKS has to name it for a search"


def _shown(items: Sequence[object], allowed: Sequence[camera_networks.Network]) -> list[FoundDevice]:
    found = [FoundDevice.model_validate(item) for item in items]
    inside = [item for item in found if not camera_networks.refusal(camera_networks.plain(item.host), allowed)]
    return sorted(inside, key=lambda item: (":" in item.host, ip_address(item.host).packed))


async def _mark_known(context: Context, items: list[FoundDevice], who: Principal) -> None:
    """Say of each device which cameras of the caller's scope are at its address."""
    async with context.db.read() as session:
        rows = await repository.living(session, who.scope)
    addresses = await asyncio.to_thread(lambda: [(row.id, address(context, row)) for row in rows])
    ids: dict[str, list[str]] = {}
    for camera_id, url in addresses:
        if url is not None:
            ids.setdefault(urls.parse(url).host, []).append(camera_id)
    for item in items:
        item.camera_ids = ids.get(item.host, [])
