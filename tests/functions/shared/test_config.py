"""Settings: typed, named in errors, secret in representations."""

from __future__ import annotations

from pathlib import Path

import pytest

from functions.shared import config
from functions.shared.config import CaptureSettings, FunctionSettings, ReaderSettings, Settings, load
from functions.shared.errors import Misconfigured


@pytest.mark.parametrize("kind", config.all_kinds())
def test_every_kind_has_defaults_that_hold_and_describes_each_setting(kind: type[Settings]) -> None:
    load(kind)
    for name, field in kind.model_fields.items():
        assert field.description, f"{kind.__name__}.{name} has no description"


def test_a_bare_environment_has_no_settings_and_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GTV_FERNET_KEYS", "GTV_SECRETS_DIR", "AWS_ACCESS_KEY_ID", "NPM_TOKEN", "pgpassword", "X_API_KEY"):
        monkeypatch.setenv(name, "hush")
    monkeypatch.setenv("GTVISION_RUN", "7")
    bare = config.bare_environ()
    assert "hush" not in bare.values()
    assert (bare["GTVISION_RUN"], "PATH" in bare) == ("7", True)


def test_a_name_has_one_default_wherever_it_stands() -> None:
    defaults: dict[str, object] = {}
    for kind in config.all_kinds():
        for name, field in kind.model_fields.items():
            assert defaults.setdefault(name, field.default) == field.default


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GTV_DATA_DIR", "/srv/gtv")
    monkeypatch.setenv("GTV_FERNET_KEYS", " one , two,")
    monkeypatch.setenv("GTV_CAMERA_NETWORKS", "10.0.0.0/8,192.168.0.0/16")
    monkeypatch.setenv("GTV_INFERENCE_IN_FLIGHT", "3")
    monkeypatch.setenv("GTV_TRITON_URL", "")
    settings = load(ReaderSettings)
    assert settings.data_dir == Path("/srv/gtv")
    assert [key.get_secret_value() for key in settings.fernet_keys] == ["one", "two"]
    assert settings.camera_networks == ("10.0.0.0/8", "192.168.0.0/16")
    assert settings.inference_in_flight == settings.frames_in_hand == 3
    assert settings.triton_url is None, "an empty value counts as not set"


def test_triton_is_given_more_frames_at_once() -> None:
    assert ReaderSettings().frames_in_hand == 8
    assert ReaderSettings(triton_url="grpc://triton:8001").frames_in_hand == 16
    assert ReaderSettings(triton_url="grpc://triton:8001", inference_in_flight=4).frames_in_hand == 4


def test_an_unknown_name_is_named() -> None:
    with pytest.raises(Misconfigured, match="GTV_DATABSE_URL") as caught:
        load(Settings, {"GTV_DATABSE_URL": "x", "HOME": "/root"})
    assert "mend" in caught.value.details


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GTV_LOG_LEVEL", "LOUD"),
        ("GTV_DATABASE_POOL", "0"),
        ("GTV_DATABASE_POOL", "many"),
        ("GTV_LINK_TTL_S", "1"),
        ("GTV_COOKIE_SECURE", "perhaps"),
    ],
)
def test_a_bad_value_names_its_setting(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured) as caught:
        load(FunctionSettings)
    assert caught.value.message.startswith(f"{name}: ")
    assert name in str(caught.value.details["mend"])


def test_a_bad_secret_is_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Misconfigured) as caught:
        load(FunctionSettings, admin_password=["hunter2hunter2"])
    assert "hunter2" not in str(caught.value)


def test_secrets_stay_out_of_representations(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "GTV_NATS_TOKEN": "s3cret-nats", "GTV_FERNET_KEYS": "s3cret-fernet", "GTV_S3_ACCESS_KEY": "s3cret-access",
        "GTV_S3_SECRET_KEY": "s3cret-s3", "GTV_ADMIN_PASSWORD": "s3cret-admin",
    }  # fmt: skip
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GTV_DATABASE_URL", "postgresql+asyncpg://gtv:s3cret-db@db/gtv")
    monkeypatch.setenv("GTV_NATS_URL", "nats://gtv:s3cret-url@nats:4222")
    settings = load(FunctionSettings)
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in str(settings)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(load(CaptureSettings), "pod_id", "other")  # noqa: B010  mypy knows it is frozen


def test_secret_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets arrive as files where the platform mounts them; the environment wins over a file."""
    (tmp_path / "gtv-database-url").write_text("postgresql+asyncpg://gtv:x@db/gtv\n")
    (tmp_path / "gtv-admin-password").write_text("from-a-file-12\n")
    (tmp_path / "gtv-fernet-keys").write_text("one,two\n")
    (tmp_path / "somebody-elses").write_text("no concern of ours")
    monkeypatch.setenv("GTV_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("GTV_ADMIN_PASSWORD", "from-the-environment")
    settings = load(FunctionSettings)
    assert settings.database_url == "postgresql+asyncpg://gtv:x@db/gtv"
    assert settings.admin_password is not None
    assert settings.admin_password.get_secret_value() == "from-the-environment"
    assert [key.get_secret_value() for key in settings.fernet_keys] == ["one", "two"]


def test_an_unknown_secret_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gtv-databse-url").write_text("x")
    monkeypatch.setenv("GTV_SECRETS_DIR", str(tmp_path))
    with pytest.raises(Misconfigured, match="gtv-databse-url"):
        load(FunctionSettings)
