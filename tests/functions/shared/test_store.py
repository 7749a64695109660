"""Images: in a folder and on a real S3 server, through the same tests where they promise the same."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from functions.shared.config import FunctionSettings
from functions.shared.errors import Forbidden, Misconfigured, NotFound, StorageFull, StoreUnavailable
from functions.shared.store import FolderStore, S3Store, Store, image_key, open_store
from functions.shared.vault import Vault
from tests.support.ports import free_port
from tests.support.s3 import S3Server

KEY = "vehicles/2026/11/22/cam-1/0193.jpg"


def s3_settings(server: S3Server, tmp_path: Path, bucket: str, **other: object) -> FunctionSettings:
    given: dict[str, object] = {
        "data_dir": tmp_path, "store_url": f"s3://{bucket}/evidence", "s3_endpoint": server.endpoint,
        "s3_access_key": server.access_key, "s3_secret_key": server.secret_key,
    }  # fmt: skip
    return FunctionSettings(**(given | other))  # type: ignore[arg-type]  # pydantic checks them


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, vault: Vault) -> Store:
    if request.param == "folder":
        return open_store(FunctionSettings(data_dir=tmp_path), vault)
    server, bucket = request.getfixturevalue("s3"), request.getfixturevalue("s3_bucket")
    return open_store(s3_settings(server, tmp_path, bucket), vault)


def test_keys_run_by_the_day_in_utc_and_the_camera() -> None:
    late = datetime(2026, 11, 22, 22, 30, tzinfo=timezone(timedelta(hours=-3)))
    assert image_key("plates", "cam-1", late, "0193") == "plates/2026/11/23/cam-1/0193.jpg"


async def test_put_get_delete(store: Store) -> None:
    await store.check()
    with pytest.raises(NotFound):
        await store.get(KEY)
    await store.put(KEY, b"first")
    await store.put(KEY, b"second")
    assert await store.get(KEY) == b"second"
    await store.delete(KEY)
    await store.delete(KEY)
    with pytest.raises(NotFound):
        await store.get(KEY)


async def test_many_at_once(store: Store) -> None:
    keys = [f"vehicles/{number}.jpg" for number in range(40)]
    await asyncio.gather(*(store.put(key, key.encode() * 100) for key in keys))
    assert await asyncio.gather(*(store.get(key) for key in keys)) == [key.encode() * 100 for key in keys]


@pytest.mark.parametrize("url", ["http://x/y", "s3://", "file://", "/plain/path", "gs://bucket"])
def test_no_address_of_a_store(url: str, tmp_path: Path, vault: Vault) -> None:
    with pytest.raises(Misconfigured, match="GTV_STORE_URL"):
        open_store(FunctionSettings(data_dir=tmp_path, store_url=url), vault)


# The folder


@pytest.fixture
def folder(tmp_path: Path, vault: Vault) -> FolderStore:
    return FolderStore(tmp_path / "images", vault, "https://gtv.example/")


@pytest.mark.parametrize(
    "key",
    ["../secret", "/etc/passwd", "a/../../b", "a//b", "a/./b", ".hidden", "a\\..\\b", "a\0b", "a/b\n", "", "a/", "a b"],
)
async def test_keys_that_leave_the_folder_are_not_there(key: str, folder: FolderStore) -> None:
    for attempt in (folder.get(key), folder.put(key, b"x"), folder.delete(key), folder.link(key, 60)):
        with pytest.raises(NotFound):
            await attempt
    assert not folder.root.exists()


async def test_a_reader_never_sees_half_a_file(folder: FolderStore) -> None:
    bodies = {bytes([number]) * 200_000 for number in range(8)}
    await folder.put(KEY, min(bodies))
    seen: set[bytes] = set()

    async def read() -> None:
        while not writing.done():
            seen.add(await folder.get(KEY))

    writing = asyncio.gather(*(folder.put(KEY, body) for body in bodies))
    await read()
    await writing
    assert seen <= bodies
    assert [file.name for file in (folder.root / KEY).parent.iterdir()] == ["0193.jpg"], "and no draft is left"


async def test_a_link_holds_for_its_key_and_its_time(folder: FolderStore) -> None:
    await folder.put(KEY, b"x")
    url = urllib.parse.urlsplit(await folder.link(KEY, 60))
    asked = dict(urllib.parse.parse_qsl(url.query))
    expires = int(asked["expires"])
    assert url.geturl().startswith(f"https://gtv.example/api/images/{KEY}?")
    assert 0 < expires - time.time() <= 60
    folder.verify(KEY, expires, asked["signature"])
    for key, until, signature in [
        (KEY.replace("0193", "0194"), expires, asked["signature"]),
        (KEY, expires + 1, asked["signature"]),
        (KEY, expires, asked["signature"][:-1] + "0" if asked["signature"][-1] != "0" else "1"),
        (KEY, expires, ""),
        (KEY, expires, "assinatura-inválida"),
    ]:
        with pytest.raises(Forbidden, match="signature"):
            folder.verify(key, until, signature)


async def test_a_link_that_is_over(folder: FolderStore, vault: Vault) -> None:
    over = int(time.time()) - 1
    with pytest.raises(Forbidden, match="over"):
        folder.verify(KEY, over, vault.sign(f"{KEY}:{over}"))


async def test_a_root_that_is_a_file(tmp_path: Path, vault: Vault) -> None:
    (tmp_path / "images").write_text("not a folder")
    store = FolderStore(tmp_path / "images", vault)
    with pytest.raises(StoreUnavailable):
        await store.put(KEY, b"x")
    with pytest.raises(StoreUnavailable):
        await store.check()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 256 kB."""
    place = tmp_path / "tiny"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a tiny disk needs root")
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounting.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {mounting.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


async def test_a_full_disk_keeps_what_is_stored(tiny_disk: Path, vault: Vault) -> None:
    store = FolderStore(tiny_disk / "images", vault)
    await store.put("a.jpg", b"a" * 100_000)
    with pytest.raises(StorageFull) as caught:
        await store.put("b.jpg", b"b" * 200_000)
    assert "free space" in str(caught.value.details["mend"])
    with pytest.raises(StorageFull):
        await store.put("a.jpg", b"c" * 200_000)
    assert await store.get("a.jpg") == b"a" * 100_000, "a write that fails leaves the former file"
    assert [file.name for file in store.root.iterdir()] == ["a.jpg"]
    await store.put("b.jpg", b"b" * 50_000)


# S3


def fetch(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


async def test_a_link_of_s3_answers_plain_http(s3: S3Server, s3_bucket: str, tmp_path: Path, vault: Vault) -> None:
    store = open_store(s3_settings(s3, tmp_path, s3_bucket), vault)
    await store.put(KEY, b"jpeg")
    assert await asyncio.to_thread(fetch, await store.link(KEY, 60)) == (200, b"jpeg")
    short = await store.link(KEY, 1)
    await asyncio.sleep(2.5)
    assert (await asyncio.to_thread(fetch, short))[0] == 403
    bare = (await store.link(KEY, 60)).split("?")[0]
    assert (await asyncio.to_thread(fetch, bare))[0] == 403


async def test_the_prefix_is_part_of_the_key(s3: S3Server, s3_bucket: str, tmp_path: Path, vault: Vault) -> None:
    await open_store(s3_settings(s3, tmp_path, s3_bucket), vault).put(KEY, b"jpeg")
    client = s3.client()
    found = client.get_object(Bucket=s3_bucket, Key=f"evidence/{KEY}")
    assert found["Body"].read() == b"jpeg"
    assert found["ContentType"] == "image/jpeg"
    client.close()


async def test_a_bucket_that_does_not_exist(s3: S3Server, tmp_path: Path, vault: Vault) -> None:
    store = open_store(s3_settings(s3, tmp_path, "no-such-bucket"), vault)
    for attempt in (store.check(), store.put(KEY, b"x"), store.get(KEY)):
        with pytest.raises(Misconfigured, match="bucket"):
            await attempt


@pytest.mark.parametrize("wrong", [{"s3_secret_key": "wrong-wrong-wrong"}, {"s3_access_key": "nobody"}])
async def test_wrong_keys(wrong: dict[str, str], s3: S3Server, s3_bucket: str, tmp_path: Path, vault: Vault) -> None:
    store = open_store(s3_settings(s3, tmp_path, s3_bucket, **wrong), vault)
    for attempt in (store.put(KEY, b"x"), store.get(KEY), store.check()):
        with pytest.raises(Misconfigured, match="keys") as caught:
            await attempt
        assert "wrong-wrong" not in str(caught.value)


async def test_s3_is_away(tmp_path: Path, vault: Vault) -> None:
    settings = FunctionSettings(
        data_dir=tmp_path, store_url="s3://bucket", s3_endpoint=f"http://127.0.0.1:{free_port()}",
        s3_access_key="a", s3_secret_key="b",
    )  # fmt: skip
    store = open_store(settings, vault)
    assert isinstance(store, S3Store)
    with pytest.raises(StoreUnavailable, match="does not answer"):
        await store.put(KEY, b"x")
