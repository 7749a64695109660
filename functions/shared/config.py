"""What may vary: settings from the environment (`GTV_...`) or from secret files, built once at the edge.

A platform that mounts secrets as files puts one file for each setting into GTV_SECRETS_DIR: `gtv-database-url`
holds GTV_DATABASE_URL. The environment wins over a file.

Each class holds what one kind of process needs, so that a pod's manifest lists just its own settings. An
unknown `GTV_` name is an error that names it (`unknown_settings`), since a typo would otherwise pass in silence.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from functions.shared.access import Role
from functions.shared.errors import Misconfigured

ENV_PREFIX = "GTV_"
SECRETS_DIR = "GTV_SECRETS_DIR"
# Where OpenFaaS mounts secrets; our Knative manifests use the same place.
DEFAULT_SECRETS_DIR = "/var/openfaas/secrets"
_SECRETS = re.compile(r"^(GTV|AWS)_|TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|PRIVATE_?KEY", re.IGNORECASE)
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:]+\]|[a-z0-9.-]+)(:\d{1,5})?")
S = TypeVar("S", bound="Settings")


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("is no time zone of the IANA database, e.g. America/Sao_Paulo")
    return name


ZoneName = Annotated[str, AfterValidator(_zone)]


def bare_environ() -> dict[str, str]:
    """This process's environment without settings and without what may be a secret.

    For a child that needs none, above all one that takes apart what a camera sends: libraries for that have had holes.
    """
    return {name: value for name, value in os.environ.items() if not _SECRETS.search(name)}


def secret_files() -> dict[str, Path]:
    """Mounted secrets by the name of their setting, e.g. {"GTV_DATABASE_URL": Path(".../gtv-database-url")}."""
    folder = Path(os.environ.get(SECRETS_DIR) or DEFAULT_SECRETS_DIR)
    if not folder.is_dir():
        return {}
    own = (file for file in folder.iterdir() if file.name.startswith("gtv-") and file.is_file())
    return {file.name.upper().replace("-", "_"): file for file in own}


class _SecretFiles(PydanticBaseSettingsSource):
    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        file = secret_files().get(ENV_PREFIX + field_name.upper())
        return (file.read_text().strip() if file else None), field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value}


class Settings(BaseSettings):
    """What every process needs: where it logs, where its files are, how it reaches the bus."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    data_dir: Path = Field(Path("data"), description="folder of everything that is kept: database, images, keys, bus")
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="least severe level logged")
    log_format: str = Field("json", pattern="^(json|console)$", description="json for machines, console for people")
    nats_url: str = Field("nats://127.0.0.1:4222", repr=False, description="NATS servers, comma separated")
    nats_token: SecretStr | None = Field(None, description="token for NATS")
    frames_max_bytes: int = Field(536_870_912, ge=1 << 20, description="memory of the FRAMES stream, bytes")
    stream_replicas: int = Field(1, ge=1, le=5, description="replicas of each stream and KV bucket (3 in a cluster)")
    fernet_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="Fernet keys, comma separated: the first encrypts, all decrypt (default: made in data_dir)"
    )
    camera_networks: Annotated[tuple[str, ...], NoDecode] = Field(
        ("0.0.0.0/0", "::/0"),
        description="networks, comma separated, in which cameras may be; this machine itself (127.0.0.0/8, ::1) only "
        "where one of them names it",
    )

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *sources: PydanticBaseSettingsSource, **named: PydanticBaseSettingsSource
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return named["init_settings"], named["env_settings"], _SecretFiles(settings_cls)

    @field_validator("fernet_keys", "camera_networks", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value


class FunctionSettings(Settings):
    """What a function needs besides: database, images, tokens."""

    database_url: str = Field(
        "",
        repr=False,
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
    consume: bool = Field(
        True,
        description="take messages and do timed work in this process; off where a worker of the same function does",
    )
    token_issuer: str = Field("gt-vision", description="`iss` of the tokens")
    token_audience: str = Field("gt-vision", description="`aud` of the tokens")
    access_ttl_s: int = Field(900, ge=30, le=86_400, description="life of an access token, s")
    refresh_ttl_s: int = Field(86_400, ge=60, le=2_592_000, description="life of a refresh token, s")
    admin_password: SecretStr | None = Field(None, description="password of the first admin (default: made at random)")
    cookie_secure: bool = Field(
        False, description="mark cookies Secure; on wherever TLS ends in front of the functions"
    )
    inactive_days: int = Field(0, ge=0, description="accounts not used for so many days are locked; 0: never")
    oidc_issuer: str = Field(
        "", description="OpenID provider to sign in by, e.g. https://login.example.org (empty: none)"
    )
    oidc_client_id: str = Field("", description="our client id at the OpenID provider")
    oidc_client_secret: SecretStr | None = Field(None, description="our client secret (none: a public client, by PKCE)")
    oidc_name: str = Field("Single sign-on", max_length=60, description="words of the button that signs in by OIDC")
    oidc_scopes: str = Field("openid profile email", description="scopes asked of the OpenID provider")
    oidc_username_claim: str = Field("preferred_username", description="claim that names a new user")
    oidc_role_claim: str = Field(
        "", description="claim with a user's roles or groups, e.g. groups or realm_access.roles"
    )
    oidc_roles: Annotated[dict[str, Role], NoDecode] = Field(
        {}, description="VALUE=ROLE, comma separated: our role for a value of that claim; the highest counts"
    )
    oidc_default_role: Role | None = Field(
        None, description="role of whom no value of the claim gives one (none: only users that were made before enter)"
    )
    oidc_groups_claim: str = Field("", description="claim with the ids of the camera groups that a user sees")
    oidc_default_groups: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="camera groups of a new user, comma separated; * is every camera (none: sees nothing yet)"
    )
    migrate_on_start: bool = Field(False, description="bring the database up to date at start (embedded mode does)")
    min_plate_confidence: float = Field(0.5, ge=0, le=1, description="a reading below is marked uncertain")
    webhook_allowed_networks: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="private networks, comma separated, that webhooks and hooks may reach, by http too"
    )
    webhook_timeout_s: float = Field(15.0, ge=0.1, le=60, description="how long a webhook's receiver may take, s")
    webhook_disable_after_h: float = Field(
        120.0, gt=0, description="a webhook that fails without a break for this long is disabled, h"
    )
    webhook_keep_days: int = Field(
        30, ge=1, le=3650, description="how long deliveries are kept, and can be replayed, days"
    )

    search_reason: str = Field(
        "off", pattern="^(off|plate)$", description="plate: a search by plate needs a reason (a case number or text)"
    )
    mask_plates_for: Annotated[tuple[Role, ...], NoDecode] = Field(
        (), description="roles, comma separated, that see plates masked until they reveal one with a reason"
    )
    time_zone: ZoneName = Field("America/Sao_Paulo", description="time zone of the city, for hours and reports")
    bulk_lookups_hour: int = Field(
        120, ge=0, description="look-ups of one person in an hour above which is an alarm; 0: off"
    )
    bulk_lookups_day: int = Field(600, ge=0, description="the same in a day; 0: off")
    bulk_lookups_stop: bool = Field(False, description="answer 429 to whoever is over these limits, besides the alarm")
    retention_detections_days: int = Field(30, ge=0, description="days that passages are kept; 0: for ever")
    retention_images_days: int = Field(30, ge=0, description="days that pictures of passages are kept; 0: for ever")
    retention_corrections_days: int = Field(180, ge=0, description="days that corrections are kept; 0: for ever")
    retention_alerts_days: int = Field(
        180, ge=0, description="days that alerts are kept, with their passages; 0: for ever"
    )
    retention_audit_days: int = Field(1825, ge=0, description="days that the audit log is kept; 0: for ever")
    retention_audit_archive: bool = Field(
        False, description="keep what retention cuts off the audit log as files in the store (audit/)"
    )
    retention_hour: int = Field(6, ge=-1, le=23, description="hour of the day, UTC, when retention runs (-1: never)")
    disk_free_min: str = Field(
        "10%", pattern=r"^\d{1,12}(\.\d+)?(%|[KMGT]B?|B)?$",
        description="free space, per cent or bytes (5GB), below which an alarm is raised; nothing is deleted for it",
    )  # fmt: skip
    alert_max_age_s: float = Field(86_400.0, gt=0, description="a passage older than this raises no alert any more, s")
    clone_speed_kmh: float = Field(
        150.0, gt=0, description="a plate that would have to be faster is a cloned one, km/h"
    )
    clone_min_km: float = Field(1.0, ge=0, description="cameras nearer than this prove no cloned plate, km")
    clone_window_s: float = Field(3600.0, gt=0, le=86_400, description="sightings of a cloned plate lie within this, s")
    smtp_host: str = Field("", description="mail server for alerts by e-mail (default: none are sent)")
    smtp_port: int = Field(587, ge=1, le=65_535, description="port of the mail server")
    smtp_security: str = Field("starttls", pattern="^(starttls|tls|none)$", description="starttls, tls or none")
    smtp_username: str = Field("", description="user at the mail server")
    smtp_password: SecretStr | None = Field(None, description="password at the mail server")
    smtp_from: str = Field("", description="sender of the mails, e.g. gt-vision@city.example")

    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="networks, comma separated, of gateways whose X-Forwarded-For is believed"
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="origins, comma separated, whose pages may ask with a token (https://x.example; * for any)"
    )
    request_timeout_s: float = Field(30.0, gt=0, description="a request that has not begun its answer ends in 504, s")
    body_timeout_s: float = Field(60.0, gt=0, description="a body that has not arrived whole by then is refused, s")
    rate_user: int = Field(1200, ge=0, description="requests a minute of a user or API key (0: no limit)")
    rate_address: int = Field(600, ge=0, description="requests a minute of an address without a user (0: no limit)")
    rate_pictures: int = Field(6000, ge=0, description="pictures by signed link a minute of an address (0: no limit)")
    rate_ingest: int = Field(60_000, ge=0, description="frames and reads a minute of a user or API key (0: no limit)")
    rate_camera: int = Field(60, ge=0, description="frames a second that ingest takes for one camera (0: no limit)")

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            ip_network(text, strict=False)
        return value

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if text != "*" and not _ORIGIN.fullmatch(text):
                raise ValueError("an origin is a scheme, a host and perhaps a port, e.g. https://map.example.org")
        return value

    @field_validator(
        "webhook_allowed_networks", "mask_plates_for", "oidc_default_groups", "trusted_proxies",
        "cors_origins", mode="before",
    )  # fmt: skip
    @classmethod
    def _split_networks(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("oidc_roles", mode="before")
    @classmethod
    def _split_roles(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [part.rpartition("=") for part in value.split(",") if part.strip()]
        return {name.strip(): role.strip() for name, _, role in pairs}

    @field_validator("oidc_issuer")
    @classmethod
    def _safe_issuer(cls, value: str) -> str:
        """Over plain HTTP anybody on the way could say who signs in; on this machine itself nobody is on the way."""
        local = re.match(r"http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/|$)", value)
        if value and not value.startswith("https://") and not local:
            raise ValueError("must begin with https://")
        return value.rstrip("/")


class ReaderSettings(FunctionSettings):
    """What turns frames into detections."""

    triton_url: str | None = Field(None, description="grpc://HOST:PORT of Triton (default: in process, ONNX Runtime)")
    model_repository: Path = Field(Path("triton_models"), description="model repository of the in-process engine")
    inference_in_flight: int = Field(
        0, ge=0, le=256, description="frames given to inference at once (0: 8 in process, 16 with Triton)"
    )
    inference_timeout_s: float = Field(
        10.0, gt=0, description="how long a frame may take in inference, its waiting included, s"
    )
    inference_threads: int = Field(0, ge=0, le=128, description="threads of the in-process engine (0: all cores)")
    frame_max_age_s: float = Field(20.0, gt=0, description="frames older than this are dropped unread, s")
    passage_gap_s: float = Field(4.0, gt=0, description="a vehicle unseen for this long has passed, s")

    @property
    def frames_in_hand(self) -> int:
        """How many frames are given to inference at once. 16 are a batch for each of the four instances that
        Triton runs of its model; in process more than 8 would only grow old.
        """
        return self.inference_in_flight or (16 if self.triton_url else 8)


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
    frame_stale_s: float = Field(5.0, gt=0, description="a frame that waited this long to be published is dropped, s")
    backoff_first_s: float = Field(1.0, gt=0, description="pause after a camera's first failure; doubles each time, s")
    backoff_longest_s: float = Field(30.0, gt=0, description="longest pause between tries before the circuit opens, s")
    picture_fault_s: float = Field(
        60.0,
        ge=1,
        description="a fault of a picture (dark, covered, blurred, moved) is told when it lasts so long, s",
    )
    hung_readers: int = Field(3, ge=1, description="readers that hang in the library until their process is replaced")
    metrics_port: int = Field(0, ge=0, le=65_535, description="port of /metrics and /_/health of capture (0: off)")
    metrics_host: str = Field("127.0.0.1", description="address that capture serves /metrics and /_/health on")


def load(kind: type[S], environ: Mapping[str, str] | None = None, **given: object) -> S:
    """Settings of one kind from the environment. Raises Misconfigured naming the setting and the reason."""
    unknown = unknown_settings(os.environ if environ is None else environ)
    if unknown:
        names = ", ".join(sorted(unknown))
        raise Misconfigured(f"unknown setting {names}", mend="see `gtvision doctor --settings` for the names")
    strange = unknown_settings(secret_files())
    if strange:
        names = ", ".join(sorted(name.lower().replace("_", "-") for name in strange))
        raise Misconfigured(f"unknown secret file {names}", mend="name it gtv- and the setting, e.g. gtv-database-url")
    try:
        return kind(**given)  # type: ignore[arg-type]  # pydantic checks them
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ENV_PREFIX + "_".join(str(part) for part in first["loc"][:1]).upper()
        raise Misconfigured(f"{name}: {first['msg']}", mend=f"correct {name} and start again") from None


def all_kinds() -> tuple[type[Settings], ...]:
    return (Settings, FunctionSettings, ReaderSettings, CaptureSettings)


# Read elsewhere than by a Settings class: by the CLI, the Dockerfile, the tests.
OTHER_NAMES: dict[str, str] = {
    "GTV_URL": "address that `gtvision` talks to",
    "GTV_TOKEN": "access token of `gtvision`, instead of a login",
    "GTV_CONFIG_DIR": "folder of the CLI's session file (default: the user's config folder)",
    "GTV_FUNCTION": "the function that a container runs; set by its image",
    SECRETS_DIR: f"folder of secret files, one a setting, e.g. gtv-database-url (default: {DEFAULT_SECRETS_DIR})",
}


def unknown_settings(names: Iterable[str]) -> set[str]:
    """Names with our prefix that no settings class knows."""
    known = {ENV_PREFIX + name.upper() for kind in all_kinds() for name in kind.model_fields} | set(OTHER_NAMES)
    return {name for name in names if name.startswith(ENV_PREFIX) and name not in known}
