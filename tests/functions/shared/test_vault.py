"""Secrets at rest: rotation, the key file, signatures."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from functions.shared.config import Settings
from functions.shared.errors import Misconfigured
from functions.shared.vault import Vault

URL = "rtsp://op:s3cret@10.0.0.7/live"


def key() -> str:
    return Fernet.generate_key().decode()


def test_round_trip(vault: Vault) -> None:
    token = vault.encrypt(URL)
    assert "s3cret" not in token
    assert vault.decrypt(token) == URL
    assert vault.encrypt(URL) != token, "the same text gives another token each time"


def test_rotation() -> None:
    old, new = key(), key()
    token = Vault((old,)).encrypt(URL)
    both = Vault((new, old))
    assert both.decrypt(token) == URL
    rotated = both.rotate(token)
    assert Vault((new,)).decrypt(rotated) == URL
    with pytest.raises(Misconfigured, match="key"):
        Vault((old,)).decrypt(rotated)


def test_a_key_that_is_missing_is_named_without_a_secret() -> None:
    token = Vault((key(),)).encrypt(URL)
    other = Vault((key(),))
    for attempt in (other.decrypt, other.rotate):
        with pytest.raises(Misconfigured) as caught:
            attempt(token)
        assert token not in str(caught.value)
        assert "GTV_FERNET_KEYS" in str(caught.value.details["mend"])


@pytest.mark.parametrize("keys", [(), ("short",), ("x" * 44,)])
def test_no_keys(keys: tuple[str, ...]) -> None:
    with pytest.raises(Misconfigured) as caught:
        Vault(keys)
    assert all(part not in str(caught.value) for part in keys)


def test_signatures_hold_for_the_old_key_too() -> None:
    old, new = key(), key()
    signature = Vault((old,)).sign("a:1")
    assert Vault((new, old)).signed("a:1", signature)
    assert not Vault((new, old)).signed("a:2", signature)
    assert not Vault((new,)).signed("a:1", signature)
    assert not Vault((new,)).signed("a:1", "não-ascii")


def test_the_key_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    token = Vault.open(settings).encrypt(URL)
    file = tmp_path / "data" / "keys" / "fernet.keys"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert Vault.open(settings).decrypt(token) == URL
    assert [entry.name for entry in file.parent.iterdir()] == ["fernet.keys"]


def test_the_key_file_may_hold_old_keys_below_the_new_one(tmp_path: Path) -> None:
    old, new = key(), key()
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "fernet.keys").write_text(f"{new}\n\n{old}\n")
    assert Vault.open(Settings(data_dir=tmp_path)).decrypt(Vault((old,)).encrypt(URL)) == URL


def test_a_given_key_leaves_no_file(tmp_path: Path) -> None:
    Vault.open(Settings(data_dir=tmp_path, fernet_keys=key()))
    assert not (tmp_path / "keys").exists()


def test_several_processes_start_at_once(tmp_path: Path) -> None:
    """All must end up with the same key: what one encrypts, every other decrypts."""
    code = (
        "import sys; from pathlib import Path\n"
        "from functions.shared.config import Settings; from functions.shared.vault import Vault\n"
        "sys.stdin.readline()\n"
        "print(Vault.open(Settings(data_dir=Path(sys.argv[1]))).sign('x'))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "data")]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
        for _ in range(6)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    signatures = {process.communicate(timeout=60)[0].strip() for process in started}
    assert len(signatures) == 1
    assert all(process.returncode == 0 for process in started)
