"""The HTTP shapes of `auth`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from functions.auth.passwords import MAX_LENGTH
from functions.shared.tables import User

RoleName = Literal["admin", "operator", "viewer", "integrator"]
USERNAME = r"^[a-z0-9][a-z0-9._-]{1,63}$"


def _encodable(password: SecretStr) -> SecretStr:
    """JSON may hold half of a surrogate pair, which no UTF-8 can."""
    try:
        password.get_secret_value().encode()
    except UnicodeEncodeError:
        raise ValueError("holds a character that is none") from None
    return password


Password = Annotated[SecretStr, Field(max_length=MAX_LENGTH), AfterValidator(_encodable)]


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


class UserCreate(Body):
    username: str = Field(pattern=USERNAME, description="lower-case letters, digits, dot, dash, underscore")
    password: Password
    role: RoleName = "viewer"


class UserUpdate(Body):
    role: RoleName | None = None
    disabled: bool | None = None
    password: Password | None = None


class UserView(BaseModel):
    id: str
    username: str
    role: RoleName
    disabled: bool = False
    created_at: datetime

    @classmethod
    def of(cls, user: User) -> UserView:
        return cls.model_validate(user, from_attributes=True)


class Me(BaseModel):
    id: str
    username: str
    role: RoleName


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
