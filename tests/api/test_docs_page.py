"""/api/docs in a real browser: of its own files alone, under the one policy, without a word of complaint."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.api.served import Platform, platform
from tests.support.chromium import Complaints, chromium
from tests.support.nats import NatsServer
from tests.support.postgres import migrate


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, nats_server: NatsServer) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("docs")
    database = f"sqlite+aiosqlite:///{folder / 'api.db'}"
    migrate(database)
    with platform(folder, database, nats_server) as running:
        yield running


@pytest.mark.e2e
async def test_the_page_shows_the_api_without_the_internet(served: Platform) -> None:
    async with chromium() as browser:
        page = await browser.new_page()
        complaints, asked = Complaints(page), set[str]()
        page.on("request", lambda request: asked.add(request.url))
        await page.goto(f"{served.url}/api/docs")
        await page.wait_for_selector("#operations-cameras-cameras_list_cameras")
        assert await page.locator(".opblock").count() > 30
        assert await page.locator(".opblock-tag-section").count() >= 6
        # One is opened, and tried with a token, as an integrator would.
        await page.click(".scheme-container .authorize")
        await page.fill("input[aria-label='auth-bearer-value']", next(iter(served.tokens.values())))
        await page.click(".auth-btn-wrapper button.authorize >> nth=0")
        await page.click(".btn-done >> nth=0")
        await page.click("#operations-auth-auth_me .opblock-summary")
        await page.click("#operations-auth-auth_me .try-out__btn")
        await page.click("#operations-auth-auth_me .execute")
        await page.wait_for_selector("#operations-auth-auth_me .live-responses-table .response .microlight")
        shown = await page.inner_text("#operations-auth-auth_me .live-responses-table")
        assert "200" in shown
        assert "username" in shown
        elsewhere = [url for url in asked if not url.startswith((served.url, "data:", "blob:"))]
        assert elsewhere == []
        assert complaints.found == []


def test_files_are_cached_by_their_tag_and_nothing_else_is_there(served: Platform) -> None:
    with httpx.Client(base_url=served.url) as client:
        first = client.get("/api/docs/swagger-ui-bundle.js")
        assert first.status_code == 200
        assert len(first.content) > 500_000
        again = client.get("/api/docs/swagger-ui-bundle.js", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        page = client.get("/api/docs").text
        assert "<script>" not in page
        assert "https://" not in page
        for name in ("oauth2-redirect.html", "index.html", "..%2f__init__.py", "swagger_ui_bundle", "%00"):
            answer = client.get(f"/api/docs/{name}")
            assert answer.status_code == 404, name
            assert answer.json()["error"]["code"] == "not_found"
