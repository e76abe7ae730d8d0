"""The chat's page in a real browser: what a visitor sees, on a desk and on a phone, on good and bad lines."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from aiohttp import web
from playwright.async_api import Browser, Page, expect

from konstruct import tenant_file
from konstruct.channels.web_chat import sign
from konstruct.database import tenants
from konstruct.vault import Vault
from tests.database.visitor import FILE, SECRET
from tests.rig import Rig
from tests.stub_model import Fault

ANSWER = """Yes, **both** lamps are in stock.

1. Desk lamp: `A-12`
2. Floor lamp: see https://shop.example/floor

Shall I reserve one?
[[The desk lamp | The floor lamp | Neither]]"""


def link(under_test: Rig, visitor: str = "anna", seconds: int = 600) -> str:
    return f"{under_test.url}/web/shop#token={sign(SECRET, 'shop', visitor, int(time.time()) + seconds)}"


async def say(page: Page, text: str) -> None:
    await page.get_by_label("Your message").fill(text)
    await page.keyboard.press("Enter")


async def photograph(page: Page, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        await page.screenshot(path=Path(folder) / f"{name}.png")


async def test_a_visitor_asks_chooses_and_finds_it_all_again(page: Page, under_test: Rig) -> None:
    under_test.model.reply = lambda messages: ANSWER if "lamp" in messages[-1]["content"] else "Reserved!"
    await page.goto(link(under_test))
    await expect(page.get_by_text("is an AI employee.")).to_be_visible()
    await photograph(page, "welcome")
    await say(page, "Do you have a lamp?")
    bubbles = page.locator("#messages > li")
    await expect(bubbles).to_have_count(2)
    await expect(page.locator(".employee strong")).to_have_text("both")
    await expect(page.locator(".employee a")).to_have_attribute("href", "https://shop.example/floor")
    choices = page.get_by_role("group", name="Suggested answers").get_by_role("button")
    await expect(choices).to_have_text(["The desk lamp", "The floor lamp", "Neither"])
    await photograph(page, "choices")
    under_test.model.reply = lambda _: "Reserved!"
    await choices.nth(1).click()
    await expect(bubbles).to_have_count(4)
    await expect(choices).to_have_count(0)
    texts = await page.locator(".bubble").all_inner_texts()
    await page.reload()
    await expect(bubbles).to_have_count(4)
    assert await page.locator(".bubble").all_inner_texts() == texts
    assert [texts[0], *texts[2:]] == ["Do you have a lamp?", "The floor lamp", "Reserved!"]
    assert "token" not in page.url
    await photograph(page, "again")


async def test_a_visitor_sees_that_the_employee_thinks_and_how_the_answer_grows(page: Page, under_test: Rig) -> None:
    under_test.model.reply = lambda _: " ".join(f"word{n}" for n in range(40))
    under_test.model._faults.append(Fault("", seconds=0.12))
    await page.goto(link(under_test))
    await say(page, "Tell me everything.")
    await expect(page.locator("#status")).to_contain_text("Ada is thinking…")
    await photograph(page, "thinking")
    growing = page.locator(".employee.growing .bubble")
    await expect(growing).to_contain_text("word5")
    await photograph(page, "growing")
    await expect(page.locator(".employee .bubble")).to_contain_text("word39")
    await expect(growing).to_have_count(0)
    await expect(page.locator("#status")).to_be_hidden()
    await expect(page.locator("#messages > li")).to_have_count(2)


async def test_what_is_said_on_a_dead_line_is_sent_once_when_it_lives_again(page: Page, under_test: Rig) -> None:
    await page.goto(link(under_test))
    await say(page, "one")
    await expect(page.locator("#messages > li")).to_have_count(2)
    await page.context.set_offline(True)
    await say(page, "two")
    await expect(page.get_by_text("Not sent yet, trying again…")).to_be_visible()
    await photograph(page, "offline")
    await page.context.set_offline(False)
    await expect(page.locator("#messages > li")).to_have_count(4)
    await expect(page.get_by_text("Not sent yet")).to_have_count(0)
    await asyncio.sleep(2)
    assert await page.locator(".bubble").all_inner_texts() == ["one", "You said: one", "two", "You said: two"]
    assert under_test.model.calls == 2


async def test_whatever_the_employee_writes_is_text_and_never_runs(page: Page, under_test: Rig) -> None:
    evil = (
        "<img src=x onerror=alert(1)> [x](javascript:alert(2)) <script>alert(3)</script> "
        '[y](https://a.example/"onclick="alert(4))'
    )
    under_test.model.reply = lambda _: evil
    await page.goto(link(under_test))
    await say(page, "<b>hi</b>")
    await expect(page.locator(".employee .bubble")).to_contain_text("<img src=x onerror=alert(1)>")
    await expect(page.locator(".contact .bubble")).to_have_text("<b>hi</b>")
    assert await page.locator(".bubble img, .bubble script, .bubble [onclick]").count() == 0
    links = [await found.get_attribute("href") for found in await page.locator(".bubble a").all()]
    assert all(address and address.startswith("https://") for address in links)


async def test_on_a_phone_in_the_dark_nothing_is_cut_off_and_everything_can_be_touched(
    browser: Browser, under_test: Rig
) -> None:
    under_test.model.reply = lambda _: ANSWER.replace("lamps", "lamps " + "x" * 90)
    context = await browser.new_context(
        viewport={"width": 360, "height": 740},
        device_scale_factor=2,
        is_mobile=True,
        has_touch=True,
        color_scheme="dark",
    )
    page = await context.new_page()
    await page.goto(link(under_test, "phone"))
    await say(page, "Do you have a lamp?")
    choices = page.get_by_role("group", name="Suggested answers").get_by_role("button")
    await expect(choices).to_have_count(3)
    await photograph(page, "phone")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for button in [*await choices.all(), page.get_by_role("button", name="Send")]:
        box = await button.bounding_box()
        assert box is not None
        assert box["height"] >= 44
        assert 0 <= box["x"] < box["x"] + box["width"] <= 360
    await choices.nth(0).tap()
    await expect(page.locator("#messages > li")).to_have_count(4)
    await context.close()


async def test_everything_can_be_done_with_the_keyboard_and_has_a_name(page: Page, under_test: Rig) -> None:
    under_test.model.reply = lambda _: ANSWER
    await page.goto(link(under_test))
    await expect(page.get_by_label("Your message")).to_be_focused()
    await page.keyboard.type("a lamp?")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("please")
    await page.keyboard.press("Enter")
    await expect(page.locator(".contact .bubble")).to_have_text("a lamp?\nplease")
    await expect(page.get_by_role("log", name="Conversation with Ada")).to_be_visible()
    await expect(page.get_by_role("group", name="Suggested answers")).to_be_visible()
    await page.keyboard.press("Shift+Tab")
    await expect(page.get_by_role("button", name="Neither")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator(".contact .bubble")).to_have_count(2)
    unnamed = "e => !e.labels?.length && !e.ariaLabel && !e.textContent.trim()"
    assert await page.evaluate(f"[...document.querySelectorAll('button, textarea')].filter({unnamed}).length") == 0


async def test_without_a_link_or_with_an_old_one_the_page_says_so(page: Page, under_test: Rig) -> None:
    await page.goto(f"{under_test.url}/web/shop")
    await expect(page.get_by_role("status")).to_contain_text("opens from the site that it belongs to")
    await expect(page.get_by_label("Your message")).to_be_disabled()
    await page.goto("about:blank")
    await page.goto(link(under_test, seconds=-5))
    await expect(page.get_by_role("status").first).to_contain_text("has expired")
    await photograph(page, "expired")


async def test_only_the_site_itself_can_show_the_chat_in_a_frame(page: Page, under_test: Rig) -> None:
    async def shop(request: web.Request) -> web.Response:
        frame = f'<h1>Shop</h1><iframe src="{link(under_test, "framed")}" width=420 height=560></iframe>'
        return web.Response(text=frame, content_type="text/html")

    server = web.Application()
    server.router.add_get("/", shop)
    runner = web.AppRunner(server)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    await page.goto(origin)
    await asyncio.sleep(1)
    assert await page.frame_locator("iframe").locator("#composer").count() == 0
    text = FILE.format(tenant="acme-web", site="shop", secret=SECRET).replace("https://shop.example", origin)
    vault = Vault(under_test.settings.master_keys)
    await tenants.apply_tenant(under_test.database, tenant_file.parse(text, {}), vault)
    await asyncio.sleep(5.2)  # what the ingress knows of channels may be so old
    await page.goto(origin)
    frame: Any = page.frame_locator("iframe")
    await frame.get_by_label("Your message").fill("hello")
    await frame.get_by_role("button", name="Send").click()
    await expect(frame.locator(".employee .bubble")).to_have_text("You said: hello")
    await photograph(page, "framed")
    await runner.cleanup()
