"""What this pod shall hold: the cameras of the KV bucket `gtv_cameras`, with their addresses decrypted."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from pydantic import ValidationError

from functions.shared import hours, logs
from functions.shared.bus import Bus
from functions.shared.contracts import CameraSpec
from functions.shared.errors import Misconfigured
from functions.shared.topology import CAMERAS_KV
from functions.shared.vault import Vault

log = logs.get("capture.register")


@dataclass(frozen=True)
class Camera:
    """A camera of the register; `url` is None when no key decrypts it."""

    spec: CameraSpec
    url: str | None = field(repr=False)

    def due(self, at: datetime) -> bool:
        """Whether it is to be read at a moment: it is enabled, and within its hours.

        Hours in a time zone that this machine does not know bind nobody: a camera that is read too long does less
        harm than one that is blind.
        """
        if not self.spec.enabled:
            return False
        try:
            return hours.cover(self.spec.schedule, self.spec.timezone, at)
        except ValueError:
            return True


class Register:
    """The register as last read."""

    def __init__(self, bus: Bus, vault: Vault) -> None:
        self._bus, self._vault = bus, vault
        self._revision = -1
        self._stale = True
        self.cameras: dict[str, Camera] = {}

    def forget_revision(self) -> None:
        """Read again at the next refresh, whatever the bucket's revision says."""
        self._stale = True

    async def refresh(self) -> bool:
        """Read the bucket if it changed; True when it was read. Raises BusUnavailable, and keeps what was known."""
        revision = await self._bus.kv_revision(CAMERAS_KV)
        if revision == self._revision and not self._stale:
            return False
        values = await self._bus.kv_all(CAMERAS_KV)
        if self.cameras and not values and revision < self._revision:
            # The bus lost its files. That nobody has filled the bucket yet is no order to let go of every camera.
            log.warning(
                "register_lost", cameras=len(self.cameras), mend="restart the cameras function to fill it again"
            )
        else:
            self.cameras = {key: camera for key, value in values.items() if (camera := self._camera(key, value))}
        self._revision, self._stale = revision, False
        return True

    def _camera(self, key: str, value: bytes) -> Camera | None:
        try:
            spec = CameraSpec.model_validate_json(value)
        except ValidationError as error:
            wrong = ", ".join(str(one["loc"][0]) if one["loc"] else "JSON" for one in error.errors(include_input=False))
            log.warning("camera_spec_broken", camera_id=key, fields=wrong)
            return self.cameras.get(key)
        if spec.camera_id != key:
            log.warning("camera_spec_broken", camera_id=key, fields="camera_id")
            return None
        try:
            return Camera(spec, self._vault.decrypt(spec.url_encrypted))
        except Misconfigured as error:
            log.warning("camera_url_not_decrypted", camera_id=key, reason=error.message)
            return Camera(spec, None)
