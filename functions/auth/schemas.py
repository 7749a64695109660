"""The HTTP shapes of `auth`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from functions.auth.passwords import MAX_LENGTH
from functions.shared.access import PERMISSIONS
from functions.shared.shapes import Flag
from functions.shared.tables import User

RoleName = Literal["admin", "operator", "viewer", "integrator"]
SignInKind = Literal["password", "oidc", "keys"]
USERNAME = r"^[a-z0-9][a-z0-9._-]{1,63}$"
ID = r"^[0-9a-f]{32}$"


def _encodable(password: SecretStr) -> SecretStr:
    """JSON may hold half of a surrogate pair, which no UTF-8 can; PostgreSQL takes no NUL."""
    _text(password.get_secret_value())
    return password


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("holds a character that is none") from None
    return value


def _printable(value: str) -> str:
    if not _text(value).isprintable():
        raise ValueError("holds a character that cannot be shown")
    return value


def _permission(value: str) -> str:
    if value not in PERMISSIONS:
        raise ValueError(f"there are the permissions {', '.join(PERMISSIONS)}")
    return value


Password = Annotated[SecretStr, Field(max_length=MAX_LENGTH), AfterValidator(_encodable)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_printable)]
GroupIds = Annotated[list[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]], Field(max_length=500)]
Permission = Annotated[str, AfterValidator(_permission), Field(json_schema_extra={"enum": list(PERMISSIONS)})]
GROUPS = "ids of the camera groups that are seen; null: every camera, those of no group too"


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Login(Body):
    username: str = Field(max_length=128)
    password: Password
    session: Literal["token", "cookie"] = Field("token", description="cookie: HttpOnly cookies, no token in the answer")


class Refresh(Body):
    refresh_token: str | None = Field(None, description="absent: the cookie's")


class PasswordChange(Body):
    current_password: Password
    new_password: Password


class KeyRotation(Body):
    revoke_old: Flag = Field(False, description="the old keys verify no more: everybody has to sign in anew")


class UserCreate(Body):
    username: str = Field(pattern=USERNAME, description="lower-case letters, digits, dot, dash, underscore")
    full_name: Name | None = Field(None, max_length=120)
    password: Password | None = Field(None, description="of 12 characters or more; where `sign_in` is password")
    role: RoleName = "viewer"
    sign_in: SignInKind = Field(
        "password", description="oidc: by the provider's account of this name; keys: a machine's, by API keys alone"
    )
    groups: GroupIds | None = Field(None, description=GROUPS)


class UserUpdate(Body):
    """Fields that are absent stay as they are."""

    full_name: Name | None = Field(None, max_length=120)
    role: RoleName | None = None
    disabled: Flag | None = Field(None, description="false also lets in an account that was locked for want of use")
    password: Password | None = None
    sign_in: SignInKind | None = None
    groups: GroupIds | None = Field(None, description=GROUPS)


class UserView(BaseModel):
    id: str
    username: str
    full_name: str | None = None
    role: RoleName
    groups: list[str] | None = Field(description=GROUPS)
    sign_in: SignInKind
    disabled: bool = False
    inactive: bool = Field(False, description="locked, since it was not used for GTV_INACTIVE_DAYS")
    created_at: datetime
    last_login_at: datetime | None = None
    active_at: datetime | None = Field(None, description="last sign-in, renewal of a session, or use of an API key")
    revision: int


class Me(BaseModel):
    id: str
    username: str
    full_name: str | None = None
    role: RoleName
    sign_in: SignInKind = "password"
    groups: list[str] | None = Field(None, description=GROUPS)
    permissions: list[str] | None = Field(None, description="of the API key that asks; null: all of the role")

    @classmethod
    def of(cls, user: User, *, groups: list[str] | None, permissions: list[str] | None = None) -> Me:
        facts = {name: getattr(user, name) for name in ("id", "username", "full_name", "role", "sign_in")}
        return cls.model_validate({**facts, "groups": groups, "permissions": permissions})


class Session(BaseModel):
    """The answer to a login or refresh. A cookie session has no token in it."""

    access_token: str | None = None
    refresh_token: str | None = None
    token_type: Literal["Bearer", "Cookie"]
    expires_in: int = Field(description="seconds to the end of the access token")
    user: Me


class UserPage(BaseModel):
    items: list[UserView]
    next_cursor: str | None = None


class SessionView(BaseModel):
    """A sign-in that holds."""

    id: str
    method: Literal["password", "oidc"]
    address: str
    agent: str = Field(description="what the browser or program called itself")
    created_at: datetime
    seen_at: datetime = Field(description="when its tokens were last renewed")
    expires_at: datetime
    current: bool = Field(description="the one that asks")


class SessionList(BaseModel):
    items: list[SessionView]


class ApiKeyCreate(Body):
    name: Name = Field(max_length=80, description="what it is for")
    user_id: str = Field(pattern=ID, description="whom it acts as: it can never do more than they")
    permissions: list[Permission] = Field(min_length=1, max_length=50)
    groups: GroupIds | None = Field(None, description=GROUPS + " that its user sees")
    expires_in_days: int = Field(365, ge=1, le=1095)


class ApiKeyView(BaseModel):
    id: str
    name: str
    prefix: str = Field(description="the key's first characters")
    user_id: str
    username: str
    permissions: list[str]
    groups: list[str] | None = Field(description=GROUPS)
    state: Literal["active", "expired", "revoked"]
    created_at: datetime
    created_by: str
    expires_at: datetime
    last_used_at: datetime | None = Field(None, description="to the minute")
    last_used_from: str | None = None
    revoked_at: datetime | None = None


class ApiKeyCreated(ApiKeyView):
    key: str | None = Field(description="the key, shown this once; null in an answer that is given again")


class ApiKeyPage(BaseModel):
    items: list[ApiKeyView]
    next_cursor: str | None = None


class PermissionView(BaseModel):
    permission: str
    roles: list[RoleName] = Field(description="roles whose API keys may have it")
    routes: list[str]


class PermissionList(BaseModel):
    items: list[PermissionView]


class SignInWays(BaseModel):
    """How one may sign in here. `oidc` is the words of its button; null where there is no provider."""

    password: bool = True
    oidc: str | None = None
