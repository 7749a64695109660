"""Images: a folder by default, any S3 API by boto3. Keys run by date and camera; links to them expire."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from functions.shared.config import FunctionSettings
from functions.shared.contracts import new_id
from functions.shared.errors import Forbidden, Misconfigured, NotFound, StorageFull, StoreUnavailable
from functions.shared.vault import Vault

# Questions to S3 at once; a client keeps 16 connections.
_ABREAST = 12
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


def image_key(kind: str, camera_id: str, at: datetime, name: str) -> str:
    """`KIND/2026/11/22/CAMERA/NAME.jpg`, the day in UTC."""
    return f"{kind}/{at.astimezone(UTC):%Y/%m/%d}/{camera_id}/{name}.jpg"


class Store(Protocol):
    """Objects by key. Raises StoreUnavailable when it does not answer, StorageFull when it has no room."""

    async def put(self, key: str, data: bytes, content_type: str = "image/jpeg") -> None: ...

    async def get(self, key: str) -> bytes:
        """Raises NotFound when there is no such object."""
        ...

    async def delete(self, key: str) -> None:
        """Deleting what is not there is no error."""
        ...

    async def link(self, key: str, ttl_s: int) -> str:
        """An address that shows the object to anybody who has it, for `ttl_s` seconds."""
        ...

    async def delete_many(self, keys: Sequence[str]) -> Deleted:
        """Delete objects, at the most 1000. One that cannot be deleted keeps no other from it."""
        ...

    async def folders(self, prefix: str) -> list[str]:
        """Names of what lies right below a prefix ("" or one that ends in `/`) and holds objects in turn, sorted."""
        ...

    def listed(self, prefix: str) -> AsyncIterator[Stored]:
        """The objects whose keys begin with a prefix that ends in `/`, in no order."""
        ...

    async def check(self) -> None: ...


@dataclass(frozen=True)
class Stored:
    key: str
    size: int
    modified: datetime


@dataclass
class Deleted:
    """What `delete_many` did: objects that were there and are gone, their bytes, and by key why one is not gone."""

    count: int = 0
    size: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def open_store(settings: FunctionSettings, vault: Vault) -> Store:
    """The store that GTV_STORE_URL names: `file:///DIR` or `s3://BUCKET/PREFIX`. Raises Misconfigured."""
    parts = urlsplit(settings.store_url or f"file://{(settings.data_dir / 'images').resolve()}")
    if parts.scheme == "file" and parts.path:
        return FolderStore(Path(parts.path), vault, settings.public_url)
    if parts.scheme == "s3" and parts.netloc:
        return S3Store(parts.netloc, parts.path.strip("/"), _s3_client(settings))
    raise Misconfigured("GTV_STORE_URL is no address of a store", mend="file:///DIR or s3://BUCKET/PREFIX")


class FolderStore:
    """Files below one folder, written whole or not at all; links are signed and answered by `search`."""

    def __init__(self, root: Path, vault: Vault, public_url: str = "") -> None:
        self.root, self._vault, self._public_url = root, vault, public_url.rstrip("/")

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise NotFound("there is no such image", key=key[:200])
        return self.root / key

    async def put(self, key: str, data: bytes, content_type: str = "image/jpeg") -> None:
        await asyncio.to_thread(self._write, self._path(key), data)

    def _write(self, path: Path, data: bytes) -> None:
        draft = path.with_name(f".{new_id()}.part")
        try:
            try:
                self._lay(draft, data, path)
            except FileNotFoundError:
                # The folder was empty, and retention took it away between the two steps.
                self._lay(draft, data, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull(
                    "the disk of the images is full", mend="free space or shorten the retention"
                ) from error
            raise StoreUnavailable(
                f"the image folder takes no file: {error.strerror}", mend="check GTV_STORE_URL"
            ) from error

    @staticmethod
    def _lay(draft: Path, data: bytes, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(data)
        draft.replace(path)

    async def get(self, key: str) -> bytes:
        try:
            return await asyncio.to_thread(self._path(key).read_bytes)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFound("there is no such image", key=key) from None
        except OSError as error:
            raise StoreUnavailable(f"the image cannot be read: {error.strerror}") from error

    async def delete(self, key: str) -> None:
        try:
            await asyncio.to_thread(self._path(key).unlink, missing_ok=True)
        except OSError as error:
            raise StoreUnavailable(f"the image cannot be deleted: {error.strerror}") from error

    async def delete_many(self, keys: Sequence[str]) -> Deleted:
        return await asyncio.to_thread(self._delete_many, keys)

    def _delete_many(self, keys: Sequence[str]) -> Deleted:
        done, emptied = Deleted(), set[Path]()
        for key in keys:
            try:
                path = self._path(key)
                size = path.stat().st_size
                path.unlink()
            except (FileNotFoundError, NotADirectoryError, NotFound):
                # Gone before: a run that was cut short had come so far.
                continue
            except OSError as error:
                done.failed[key] = error.strerror or type(error).__name__
                continue
            done.count, done.size = done.count + 1, done.size + size
            emptied.add(path.parent)
        for folder in emptied:
            self._prune(folder)
        return done

    def _prune(self, folder: Path) -> None:
        """Take away folders that hold nothing any more, of a camera and of a day."""
        while folder != self.root:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    async def folders(self, prefix: str) -> list[str]:
        folder = self._path(prefix.rstrip("/")) if prefix else self.root
        return await asyncio.to_thread(
            lambda: sorted(item.name for item in folder.iterdir() if item.is_dir()) if folder.is_dir() else []
        )

    async def listed(self, prefix: str) -> AsyncIterator[Stored]:
        for found in await asyncio.to_thread(lambda: list(self._listed(prefix))):
            yield found

    def _listed(self, prefix: str) -> Iterator[Stored]:
        folder = self._path(prefix.rstrip("/"))
        for path in folder.rglob("*") if folder.is_dir() else ():
            try:
                if path.is_file() and not path.name.startswith("."):
                    known = path.stat()
                    at = datetime.fromtimestamp(known.st_mtime, UTC)
                    yield Stored(path.relative_to(self.root).as_posix(), known.st_size, at)
            except FileNotFoundError:
                continue

    async def link(self, key: str, ttl_s: int) -> str:
        self._path(key)
        expires = int(time.time()) + ttl_s
        signature = self._vault.sign(f"{key}:{expires}")
        return f"{self._public_url}/api/images/{quote(key)}?expires={expires}&signature={signature}"

    def verify(self, key: str, expires: int, signature: str) -> None:
        """Raises Forbidden when a link is forged or over."""
        if not self._vault.signed(f"{key}:{expires}", signature):
            raise Forbidden("the link's signature does not hold")
        if expires < time.time():
            raise Forbidden("the link is over; ask for a new one")

    async def check(self) -> None:
        await asyncio.to_thread(self._check)

    def _check(self) -> None:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailable(f"the image folder cannot be made: {error.strerror}") from error
        if not os.access(self.root, os.W_OK):
            raise StoreUnavailable("the image folder cannot be written", mend="check its owner and mode")


class S3Store:
    """Objects of one bucket. boto3 blocks, so each call runs in a thread; a client serves many threads."""

    def __init__(self, bucket: str, prefix: str, client: Any) -> None:
        self.bucket, self._prefix, self._client = bucket, f"{prefix}/" if prefix else "", client

    async def put(self, key: str, data: bytes, content_type: str = "image/jpeg") -> None:
        await self._call("put_object", Key=self._prefix + key, Body=data, ContentType=content_type)

    async def get(self, key: str) -> bytes:
        found = await self._call("get_object", Key=self._prefix + key)
        body: bytes = await asyncio.to_thread(found["Body"].read)
        return body

    async def delete(self, key: str) -> None:
        await self._call("delete_object", Key=self._prefix + key)

    async def delete_many(self, keys: Sequence[str]) -> Deleted:
        """One by one: S3 tells no sizes when it deletes, and not every server takes DeleteObjects as boto3 sends it
        (MissingContentMD5)."""
        places, done = asyncio.Semaphore(_ABREAST), Deleted()

        async def one(key: str) -> None:
            async with places:
                try:
                    size = int((await self._call("head_object", Key=self._prefix + key))["ContentLength"])
                except NotFound:
                    return
                await self._call("delete_object", Key=self._prefix + key)
                done.count, done.size = done.count + 1, done.size + size

        await asyncio.gather(*(one(key) for key in keys))
        return done

    async def folders(self, prefix: str) -> list[str]:
        whole, found = self._prefix + prefix, list[str]()
        async for page in self._pages(Prefix=whole, Delimiter="/"):
            found += [item["Prefix"].removeprefix(whole).rstrip("/") for item in page.get("CommonPrefixes", ())]
        return sorted(found)

    async def listed(self, prefix: str) -> AsyncIterator[Stored]:
        async for page in self._pages(Prefix=self._prefix + prefix):
            for item in page.get("Contents", ()):
                yield Stored(item["Key"].removeprefix(self._prefix), item["Size"], item["LastModified"])

    async def _pages(self, **asked: Any) -> AsyncIterator[Any]:
        more: dict[str, Any] = {}
        while True:
            page = await self._call("list_objects_v2", **asked, **more)
            yield page
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    async def link(self, key: str, ttl_s: int) -> str:
        params = {"Bucket": self.bucket, "Key": self._prefix + key}
        url: str = self._client.generate_presigned_url("get_object", Params=params, ExpiresIn=ttl_s)
        return url

    async def check(self) -> None:
        await self._call("head_bucket")

    async def _call(self, operation: str, **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return await asyncio.to_thread(getattr(self._client, operation), Bucket=self.bucket, **arguments)
        except ClientError as error:
            raise _of_s3(error.response, operation) from error
        except BotoCoreError as error:
            raise StoreUnavailable(
                f"S3 does not answer: {error}", mend="check GTV_STORE_URL and GTV_S3_ENDPOINT"
            ) from error


def _of_s3(response: Any, operation: str) -> NotFound | StorageFull | StoreUnavailable | Misconfigured:
    code = str(response.get("Error", {}).get("Code", ""))
    if code in ("NoSuchKey", "404") and operation in ("get_object", "head_object"):
        return NotFound("there is no such image")
    if code in ("QuotaExceeded", "EntityTooLarge", "XMinioStorageFull", "InsufficientStorage"):
        return StorageFull(f"S3 has no room: {code}", mend="free space or shorten the retention")
    if code in ("NoSuchBucket", "404"):
        return Misconfigured("the S3 bucket does not exist", mend="make it, or correct GTV_STORE_URL")
    if code in ("AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch"):
        return Misconfigured(f"S3 refuses the keys: {code}", mend="check GTV_S3_ACCESS_KEY and GTV_S3_SECRET_KEY")
    return StoreUnavailable(f"S3 answered {code or 'an error'}")


def _s3_client(settings: FunctionSettings) -> Any:
    import boto3
    from botocore.config import Config

    secret, access = settings.s3_secret_key, settings.s3_access_key
    return boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint,
        region_name=settings.s3_region,
        aws_access_key_id=access.get_secret_value() if access else None,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        config=Config(
            connect_timeout=3, read_timeout=10, retries={"max_attempts": 2}, max_pool_connections=16,
            signature_version="s3v4", s3={"addressing_style": "path" if settings.s3_endpoint else "auto"},
        ),
    )  # fmt: skip
