"""Standard Webhooks: our signatures hold for the norm's own library, and its for us."""

from __future__ import annotations

import base64
import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from functions.shared import signatures
from functions.shared.errors import InvalidInput, Rejected

BODY = json.dumps({"type": "gtv.detection.recorded.v1", "data": {"plate": "ABC1D23", "place": "São Paulo"}}).encode()


def test_the_library_of_the_norm_accepts_ours() -> None:
    secret = signatures.new_secret()
    headers = signatures.headers([secret], "evt1", int(time.time()), BODY)
    assert Webhook(secret).verify(BODY, headers)["data"]["plate"] == "ABC1D23"
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(signatures.new_secret()).verify(BODY, headers)


def test_we_accept_what_the_library_signs() -> None:
    secret, at = signatures.new_secret(), datetime.now(UTC)
    signature = Webhook(secret).sign("evt1", at, BODY.decode())
    given = {"Webhook-Id": "evt1", "Webhook-Timestamp": str(int(at.timestamp())), "Webhook-Signature": signature}
    signatures.verify(secret, given, BODY, at.timestamp())


def test_the_readme_verifies_as_it_says() -> None:
    """What integrators copy from README.md is run here as it stands."""
    text = (Path(__file__).resolve().parents[3] / "README.md").read_text()
    found = re.search(r"```python\n(import base64.*?)```", text, re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found[1], names)
    secret = signatures.new_secret()
    headers = signatures.headers([signatures.new_secret(), secret], "evt1", int(time.time()), BODY)
    assert names["holds"](secret, headers, BODY)
    assert not names["holds"](secret, headers, BODY + b" ")
    assert not names["holds"](signatures.new_secret(), headers, BODY)
    late = signatures.headers([secret], "evt1", int(time.time()) - 400, BODY)
    assert not names["holds"](secret, late, BODY)


def test_two_secrets_sign_side_by_side() -> None:
    old, new = signatures.new_secret(), signatures.new_secret()
    headers = signatures.headers([new, old], "evt1", int(time.time()), BODY)
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (old, new):
        Webhook(secret).verify(BODY, headers)
        signatures.verify(secret, headers, BODY, time.time())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"webhook-id": "evt2"}, "no signature fits"),
        ({"webhook-timestamp": "1700000001"}, "no signature fits"),
        ({"webhook-timestamp": "soon"}, "no number"),
        ({"webhook-timestamp": "²"}, "no number"),
        ({"webhook-signature": ""}, "webhook-signature is missing"),
        ({"webhook-signature": "v1a,abc v2,def"}, "no signature fits"),
        ({"webhook-signature": "v1,ü"}, "no signature fits"),
    ],
)  # fmt: skip
def test_what_does_not_hold_is_said(change: dict[str, str], reason: str) -> None:
    secret = signatures.new_secret()
    headers = signatures.headers([secret], "evt1", 1_700_000_000, BODY) | change
    with pytest.raises(Rejected, match=reason):
        signatures.verify(secret, headers, BODY, 1_700_000_000.0)


def test_an_old_message_is_told_from_a_forged_one() -> None:
    secret = signatures.new_secret()
    headers = signatures.headers([secret], "evt1", 1_700_000_000, BODY)
    signatures.verify(secret, headers, BODY, 1_700_000_300.0)
    with pytest.raises(Rejected, match="301 s"):
        signatures.verify(secret, headers, BODY, 1_700_000_301.0)


@pytest.mark.parametrize(("size", "fits"), [(23, False), (24, True), (64, True), (65, False)])
def test_secrets_have_24_to_64_bytes(size: int, fits: bool) -> None:
    secret = "whsec_" + base64.b64encode(b"k" * size).decode()
    if fits:
        assert signatures.key_of(secret) == b"k" * size
        return
    with pytest.raises(InvalidInput) as caught:
        signatures.key_of(secret)
    assert secret[6:] not in str(caught.value)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_***", "sec_" + "a" * 40, "a" * 40, "whsec_" + "ü" * 40])
def test_what_is_no_secret(secret: str) -> None:
    with pytest.raises(InvalidInput):
        signatures.key_of(secret)
