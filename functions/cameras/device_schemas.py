"""The HTTP shapes of looking for devices and asking them. A password goes in and never comes out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr

from functions.cameras.fields import Body
from functions.shared.shapes import Flag


class OnvifRequest(Body):
    host: str = Field(pattern=r"^[A-Za-z0-9.:_\[\]-]{1,253}$", description="name or address of the device")
    port: int = Field(80, ge=1, le=65_535)
    tls: Flag = Field(False, description="ask by https; the device's certificate is not checked")
    user: str = Field("", max_length=128)
    password: SecretStr = Field(SecretStr(""), max_length=256)


class OnvifProfile(BaseModel):
    """A stream as the device describes it. Addresses come without user and password; where the device wrote the
    password into one, it stands as {password}."""

    token: str
    name: str
    codec: str | None
    width: int | None
    height: int | None
    fps: float | None
    stream_url: str | None
    snapshot_url: str | None


class OnvifDevice(BaseModel):
    """What an ONVIF device says of itself. `clock_offset_s`: its clock minus ours; null: it shows none."""

    host: str
    port: int
    manufacturer: str
    model: str
    firmware: str
    serial: str
    clock_offset_s: float | None
    profiles: list[OnvifProfile]
    warnings: list[str] = []
    seconds: float


Port = Annotated[int, Field(ge=1, le=65_535)]


class DiscoverRequest(Body):
    """Where to look. Ranges are asked address by address, since multicast does not cross routers and VLANs."""

    multicast: Flag = Field(True, description="WS-Discovery in the networks that the function's machine is in")
    ranges: list[Annotated[str, Field(max_length=90)]] = Field(
        [], max_length=32, description="networks, ranges and addresses; 1024 addresses at the most in all",
        examples=[["10.20.0.0/24", "10.20.1.10-10.20.1.60", "10.20.2.7"]],
    )  # fmt: skip
    ports: list[Port] = Field([80, 8080], max_length=4, description="ports on which ONVIF may answer")
    rtsp_ports: list[Port] = Field([554], max_length=2)


class FoundDevice(BaseModel):
    """What answered at an address. `name`, `hardware` and `location` are what it says of itself, unproven."""

    host: str
    onvif_port: int | None = Field(description="where ONVIF answers; null: it does not")
    rtsp_port: int | None = Field(description="where RTSP answers; null: it was not seen to")
    name: str = ""
    hardware: str = ""
    location: str = ""
    found_by: list[Literal["multicast", "unicast", "ports"]]
    camera_ids: list[str] = Field([], description="cameras of the register, of those that you may see, at this host")


class Discovered(BaseModel):
    items: list[FoundDevice]
    asked: int = Field(description="how many addresses of ranges were asked")
    seconds: float
    warnings: list[str] = []
