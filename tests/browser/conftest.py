"""A real Chromium before the real product (without Ray)."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.database.visitor import open_site
from tests.rig import Rig, rig

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@pytest_asyncio.fixture
async def under_test(database_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(database_url, tmp_path) as running:
        await open_site(running)
        yield running


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    assert program, "Chromium is needed: `make browser` installs it (apt-get install chromium)."
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=program)
        yield launched
        await launched.close()


@pytest_asyncio.fixture
async def page(browser: Browser, under_test: Rig) -> AsyncIterator[Any]:  # closed before its server is
    context = await browser.new_context(viewport={"width": 1000, "height": 720})
    page = await context.new_page()
    page.set_default_timeout(15_000)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: problems.append(f"dialog: {dialog.message}"))
    yield page
    await context.close()
    assert problems == []
