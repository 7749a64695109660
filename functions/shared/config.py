"""What may vary: settings from the environment (`GTV_...`) or a `.env` file, built once at the edge.

Each class holds what one kind of process needs, so that a pod's manifest lists just its own settings. An
unknown `GTV_` name is an error that names it (`unknown_settings`), since a typo would otherwise pass in silence.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from functions.shared.errors import Misconfigured

ENV_PREFIX = "GTV_"
S = TypeVar("S", bound="Settings")


class Settings(BaseSettings):
    """What every process needs: where it logs, where its files are, how it reaches the bus."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    data_dir: Path = Field(Path("data"), description="folder of everything that is kept: database, images, keys, bus")
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="least severe level logged")
    log_format: str = Field("json", pattern="^(json|console)$", description="json for machines, console for people")
    nats_url: str = Field("nats://127.0.0.1:4222", description="NATS servers, comma separated")
    nats_token: SecretStr | None = Field(None, description="token for NATS")
    frames_max_bytes: int = Field(536_870_912, ge=1 << 20, description="memory of the FRAMES stream, bytes")
    stream_replicas: int = Field(1, ge=1, le=5, description="replicas of each stream and KV bucket (3 in a cluster)")
    fernet_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="Fernet keys, comma separated: the first encrypts, all decrypt (default: made in data_dir)"
    )

    @field_validator("fernet_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value


class FunctionSettings(Settings):
    """What a function needs besides: database, images, tokens."""

    database_url: str = Field(
        "",
        description="sqlite+aiosqlite:///FILE or postgresql+asyncpg://USER:PASSWORD@HOST/DB (default: in data_dir)",
    )
    database_pool: int = Field(5, ge=1, le=100, description="connections a process keeps to PostgreSQL")
    database_wait_s: float = Field(30.0, ge=0, description="how long to wait at start for a database that is away, s")
    store_url: str = Field("", description="images: file:///DIR or s3://BUCKET/PREFIX (default: folder in data_dir)")
    s3_endpoint: str | None = Field(None, description="endpoint of an S3 server that is not AWS")
    s3_region: str = Field("us-east-1", description="region of the S3 bucket")
    s3_access_key: SecretStr | None = Field(None, description="S3 access key (default: boto3's own chain)")
    s3_secret_key: SecretStr | None = Field(None, description="S3 secret key")
    link_ttl_s: int = Field(900, ge=10, le=604_800, description="life of a link to an image, s")
    public_url: str = Field("", description="address that users reach the platform by; prefix of links in events")
    token_issuer: str = Field("gt-vision", description="`iss` of the tokens")
    token_audience: str = Field("gt-vision", description="`aud` of the tokens")
    access_ttl_s: int = Field(900, ge=30, le=86_400, description="life of an access token, s")
    refresh_ttl_s: int = Field(86_400, ge=60, le=2_592_000, description="life of a refresh token, s")
    admin_password: SecretStr | None = Field(None, description="password of the first admin (default: made at random)")
    cookie_secure: bool = Field(
        False, description="mark cookies Secure; on wherever TLS ends in front of the functions"
    )
    migrate_on_start: bool = Field(False, description="bring the database up to date at start (embedded mode does)")
    camera_networks: Annotated[tuple[str, ...], NoDecode] = Field(
        ("0.0.0.0/0", "::/0"), description="networks, comma separated, in which cameras may be"
    )

    @field_validator("camera_networks", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value


class ReaderSettings(FunctionSettings):
    """What turns frames into detections."""

    triton_url: str | None = Field(None, description="grpc://HOST:PORT of Triton (default: in process, ONNX Runtime)")
    model_repository: Path = Field(Path("triton_models"), description="model repository of the in-process engine")
    inference_in_flight: int = Field(8, ge=1, le=256, description="frames given to inference at once")
    inference_timeout_s: float = Field(10.0, gt=0, description="useful life of a frame in the queue of inference, s")
    inference_threads: int = Field(0, ge=0, le=128, description="threads of the in-process engine (0: all cores)")
    frame_max_age_s: float = Field(20.0, gt=0, description="frames older than this are dropped unread, s")
    passage_gap_s: float = Field(4.0, gt=0, description="a vehicle unseen for this long has passed, s")
    min_plate_confidence: float = Field(0.5, ge=0, le=1, description="a reading below is marked uncertain")


class CaptureSettings(Settings):
    """What a capture pod needs."""

    pod_id: str = Field("", description="name of this capture pod (default: host name and process id)")
    max_cameras: int = Field(100, ge=1, description="cameras that this pod takes at the most")
    cameras_per_process: int = Field(25, ge=1, le=30, description="cameras of one worker process (streaming threads)")
    watchdog_s: float = Field(15.0, ge=2, description="a camera without a frame for this long is restarted, s")
    open_timeout_s: float = Field(5.0, gt=0, description="time-out of RTSP open and read, s")
    circuit_failures: int = Field(5, ge=1, description="failures in a row that open the circuit")
    circuit_open_s: float = Field(60.0, gt=0, description="pause of an open circuit, s")
    heartbeat_s: float = Field(30.0, gt=0, description="a still camera publishes a frame at least this often, s")
    jpeg_quality: int = Field(85, ge=40, le=100, description="JPEG quality of published frames")
    frame_max_side: int = Field(
        1920, ge=320, le=7680, description="published frames are shrunk to this longer side, px"
    )
    metrics_port: int = Field(0, ge=0, le=65_535, description="port of /metrics and /_/health of capture (0: off)")


def load(kind: type[S], environ: Mapping[str, str] | None = None, **given: object) -> S:
    """Settings of one kind from the environment. Raises Misconfigured naming the setting and the reason."""
    unknown = unknown_settings(os.environ if environ is None else environ)
    if unknown:
        names = ", ".join(sorted(unknown))
        raise Misconfigured(f"unknown setting {names}", mend="see `gtvision doctor --settings` for the names")
    try:
        return kind(**given)  # type: ignore[arg-type]  # pydantic checks them
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ENV_PREFIX + "_".join(str(part) for part in first["loc"][:1]).upper()
        raise Misconfigured(f"{name}: {first['msg']}", mend=f"correct {name} and start again") from None


def all_kinds() -> tuple[type[Settings], ...]:
    return (Settings, FunctionSettings, ReaderSettings, CaptureSettings)


# Read elsewhere than by a Settings class: by the CLI (address, session file), the tests and the Makefile.
OTHER_NAMES = frozenset({"GTV_URL", "GTV_TOKEN", "GTV_CONFIG_DIR", "GTV_FUNCTION", "GTV_TEST_DATABASE_URL"})


def unknown_settings(environ: Mapping[str, str]) -> set[str]:
    """Names with our prefix that no settings class knows."""
    known = {ENV_PREFIX + name.upper() for kind in all_kinds() for name in kind.model_fields} | OTHER_NAMES
    return {name for name in environ if name.startswith(ENV_PREFIX) and name not in known}
