"""`gtvision users` and `gtvision keys`, against a running platform."""

from __future__ import annotations

import json

from tests.cli.conftest import PASSWORD, Platform
from tests.support.cli import gtvision

OTHER = "Vento-Norte-2031-Azul"


def test_a_user_from_add_to_disable(platform: Platform) -> None:
    assert platform("groups", "add", "Norte", "--id", "norte").code == 0
    added = platform(
        "users", "add", "carla", "--role", "operator", "--group", "norte", "--name", "Carla Souza", "--password-stdin",
        "--json", given=OTHER + "\n",
    )  # fmt: skip
    assert added.code == 0, added.err
    assert (added.json["role"], added.json["groups"], added.json["full_name"]) == ("operator", ["norte"], "Carla Souza")
    assert OTHER not in added.out + added.err
    table = platform("users", "list").out
    for words in ("carla", "Carla Souza", "operator", "norte", "active"):
        assert words in table
    changed = platform("users", "update", "carla", "--role", "viewer", "--all-groups", "--json")
    assert (changed.json["role"], changed.json["groups"]) == ("viewer", None)
    assert platform("users", "update", "carla").code == 2
    assert platform("users", "update", "carla", "--all-groups", "--no-groups").code == 2
    assert platform("users", "password", "carla", "--password-stdin", given="Chuva-Lenta-884-Muro\n").code == 0
    shown = platform("users", "show", "carla", "--json").json
    assert shown["sessions"] == []
    assert platform("users", "disable", "carla").code == 0
    assert platform("users", "show", "carla", "--json").json["disabled"] is True
    assert platform("users", "enable", "carla").code == 0
    assert platform("users", "sign-out", "carla").code == 0


def test_what_goes_wrong_with_users_has_its_exit_code(platform: Platform) -> None:
    weak = platform("users", "add", "weak", "--password-stdin", "--json", given="senha1234567\n")
    assert weak.code == 2
    assert json.loads(weak.err)["error"]["details"]["field"] == "password"
    assert "senha1234567" not in weak.err
    assert platform("users", "show", "nobody").code == 4
    assert platform("users", "disable", "admin").code == 5


def test_an_api_key_from_create_to_revoke(platform: Platform) -> None:
    made = platform("users", "add", "radares", "--role", "integrator", "--sign-in", "keys", "--json")
    assert made.code == 0, made.err
    assert "detections:read" in platform("keys", "permissions").out
    created = platform("keys", "create", "Leituras", "--user", "radares", "-p", "detections:read", "--days", "30")
    assert created.code == 0, created.err
    key = created.out.strip()
    assert key.startswith("gtv_")
    assert "shown once" in created.err
    by_key = {**platform.environ, "GTV_TOKEN": key}
    me = gtvision("whoami", "--json", environ=by_key)
    assert (me.code, me.json["username"], me.json["permissions"]) == (0, "radares", ["detections:read"])
    assert gtvision("detections", "list", "--json", environ=by_key).code == 0
    refused = gtvision("cameras", "list", "--json", environ=by_key)
    assert refused.code == 3, refused.err
    (row,) = platform("keys", "list", "--user", "radares", "--json").json["items"]
    assert row["last_used_at"]
    assert key not in platform("keys", "list").out
    assert platform("keys", "revoke", row["id"], given="n\n").code == 130
    assert platform("keys", "revoke", row["id"], "--yes").code == 0
    over = gtvision("whoami", environ=by_key)
    assert over.code == 3
    assert "revoked" in over.err
    assert platform("keys", "create", "x", "--user", "radares", "-p", "cameras:write").code == 2


def test_a_rotation_signs_nobody_out_and_a_revocation_everybody(platform: Platform) -> None:
    assert platform("keys", "rotate", "--json").code == 0
    assert platform("whoami").code == 0
    assert platform("keys", "rotate", "--revoke-old").code == 0
    done = platform("login", "--username", "admin", "--password-stdin", given=PASSWORD + "\n")
    assert done.code == 0, done.err
    assert platform("whoami").code == 0
