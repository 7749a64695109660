from __future__ import annotations

from tests.functions.auth.conftest import PASSWORD
from tests.functions.serving import Served


async def test_login_gives_a_token_pair_that_me_accepts(auth: Served) -> None:
    answer = await auth.client.post("/api/auth/login", json={"username": "Admin ", "password": PASSWORD})
    body = answer.json()
    assert answer.status_code == 200
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 900
    me = await auth.client.get("/api/auth/me", headers={"Authorization": f"Bearer {body['access_token']}"})
    assert me.json() == body["user"]
    assert me.json()["role"] == "admin"
