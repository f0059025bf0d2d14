"""The pages in a real browser: look, live update, action, wrong password, accessibility, and nothing that the content
security policy or the console complains of."""

import asyncio
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from bot.domain.states import KillLevel
from bot.operate.dashboard.server import make_app, start
from bot.operate.dashboard.source import make_source
from bot.runtime.kill.flag_file import FlagFile
from tests.operate.dashboard.conftest import pretend_daemon, settings_of
from tests.operate.dashboard.test_access import PASSWORD, account
from tests.operate.dashboard.test_control import listening

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine; apt-get install chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
PAGES = ("/", "/why", "/campaigns", "/orders", "/history?since=all", "/configuration", "/log", "/control")
SIZES = ((390, "dark"), (1400, "light"), (390, "light"), (1400, "dark"))
SERIOUS = {"serious", "critical"}
MakePage = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture
def served(state: Path) -> Iterator[Callable[..., str]]:
    """Serves the copied state directory from a thread with settings; gives the address."""
    stops: list[Callable[[], None]] = []

    def serve(*changes: str) -> str:
        settings = settings_of(state, "dashboard.port=0", *changes)
        source, ended, address = make_source(settings), threading.Event(), Future[str]()

        async def run() -> None:
            runner, found = await start(make_app([source], settings.dashboard), settings.dashboard)
            address.set_result(found.rstrip("/"))
            await asyncio.to_thread(ended.wait)
            await runner.cleanup()

        thread = threading.Thread(target=lambda: asyncio.run(run()))
        thread.start()

        def stop() -> None:
            ended.set()
            thread.join()
            source.close()

        stops.append(stop)
        return address.result(20)

    yield serve
    for stop in stops:
        stop()


@pytest.fixture
def opened(browser: Browser) -> Iterator[MakePage]:
    """Makes pages; at the end no console may have said anything, and no policy may have been violated."""
    said: list[str] = []
    contexts: list[Any] = []

    def make(width: int = 1400, scheme: Any = "light") -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.add_init_script(
            "addEventListener('securitypolicyviolation', (event) => console.error('policy', event.violatedDirective))"
        )
        return page

    yield make
    for context in contexts:
        context.close()
    assert [line for line in said if "401 (Unauthorized)" not in line] == []


def check_page(page: Page, width: int) -> None:
    """Nothing is cut at the side, and axe has nothing serious to say."""
    assert page.evaluate("document.documentElement.scrollWidth") <= width, page.url
    found = Axe().run(page).response["violations"]
    assert [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in SERIOUS] == [], page.url


def test_the_first_page_on_a_phone_and_on_a_desk(served: Callable[..., str], opened: MakePage, state: Path) -> None:
    pretend_daemon(state)
    address = served()
    for width, scheme in SIZES[:2]:
        page = opened(width, scheme)
        page.goto(f"{address}/")
        expect(page.get_by_role("heading", name="Perp positions")).to_be_visible()
        expect(page.locator("#live")).to_have_text("live")
        check_page(page, width)
    background = [opened(390, scheme) for scheme in ("light", "dark")]
    for page in background:
        page.goto(f"{address}/log")
    colours = {page.evaluate("getComputedStyle(document.body).backgroundColor") for page in background}
    assert len(colours) == 2


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), SIZES)
def test_every_page_in_every_size(
    width: int, scheme: str, served: Callable[..., str], opened: MakePage, state: Path
) -> None:
    pretend_daemon(state, kill="pause", problem="mismatch")
    address, page = served(), opened(width, scheme)
    for path in PAGES:
        page.goto(f"{address}{path}")
        for summary in page.locator("main details > summary").all()[:3]:
            summary.click()
        check_page(page, width)
    page.goto(f"{address}/orders")
    page.locator("main td a").first.click()
    expect(page.get_by_role("heading", name="Executions")).to_be_visible()
    check_page(page, width)


def test_a_change_of_the_bot_reaches_an_open_page(served: Callable[..., str], opened: MakePage, state: Path) -> None:
    pretend_daemon(state)
    page = opened()
    page.goto(f"{served()}/")
    expect(page.locator("#live")).to_have_text("live")
    expect(page.get_by_text("is in force.")).to_have_count(0)
    pretend_daemon(state, kill="reduce-only")
    expect(page.get_by_text("reduce-only is in force.")).to_be_visible()
    expect(page.locator("#live")).to_contain_text("updated")


def test_a_page_of_a_bot_that_does_not_run_says_so_at_the_top(
    served: Callable[..., str], opened: MakePage, state: Path
) -> None:
    page = opened()
    page.goto(f"{served()}/")
    expect(page.locator("#live")).to_have_text("no bot runs: these are the last values")
    pretend_daemon(state)
    expect(page.locator("#live")).to_contain_text("live, updated")


def test_the_switch_is_thrown_with_a_reason_and_a_confirmation_by_keyboard_alone(
    served: Callable[..., str], opened: MakePage, state: Path
) -> None:
    page = opened(390, "dark")
    with listening(state):
        page.goto(f"{served()}/control")
        page.get_by_role("radio", name="flatten").focus()
        page.keyboard.press("Space")
        page.get_by_label("Why; it is written").focus()
        page.keyboard.type("the roof is on fire")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Flatten: confirm")).to_be_visible()
        check_page(page, 390)
        assert FlagFile(state).load() is KillLevel.OFF
        page.get_by_label("Type flatten to confirm").focus()
        page.keyboard.type("flatten")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Done.")).to_be_visible()
    assert FlagFile(state).load() is KillLevel.FLATTEN
    assert FlagFile(state).load_message() == ("the roof is on fire", "local (dashboard)")


def test_a_wrong_password_is_said_and_the_right_one_opens_the_page(
    served: Callable[..., str], opened: MakePage
) -> None:
    address, page = served(account()), opened(390)
    page.goto(f"{address}/orders")
    assert page.url.endswith("/login")
    check_page(page, 390)
    for password in ("wrong", PASSWORD):
        page.get_by_label("Name").fill("anna")
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Log in").click()
        if password == "wrong":
            expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
    expect(page.get_by_role("link", name="Orders")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    assert page.url.endswith("/login")


def test_a_chart_says_its_values_under_the_pointer_and_by_keyboard(
    served: Callable[..., str], opened: MakePage
) -> None:
    page = opened()
    page.goto(f"{served()}/history?since=all")
    chart = page.locator("figure.chart.desk").first
    chart.locator("svg").hover(position={"x": 300, "y": 80})
    expect(chart.locator("output")).to_contain_text("USDT · 2026-")
    chart.focus()
    page.keyboard.press("Escape")
    expect(chart.locator("output")).to_have_text("")
    page.keyboard.press("ArrowLeft")
    expect(chart.locator("output")).to_contain_text("USDT · 2026-")


def test_a_chart_on_a_phone_is_drawn_for_its_width(served: Callable[..., str], opened: MakePage) -> None:
    """One drawing is seen, none is wider than the screen, and its words can be read; the value lies beside the line."""
    page = opened(390)
    page.goto(f"{served()}/history?since=all")
    charts = page.locator("figure.chart:visible")
    expect(charts).to_have_count(2)
    for size in page.eval_on_selector_all(
        "figure.chart.phone",
        "all => all.flatMap(f => [...f.querySelectorAll('.tick')].map(t => t.getBoundingClientRect().height))",
    ):
        assert size >= 9, "pixels"
    charts.first.focus()
    page.keyboard.press("ArrowLeft")
    output = charts.first.locator("output")
    expect(output).to_contain_text("USDT · 2026-")
    box = output.bounding_box()
    assert box is not None
    seen = page.evaluate("([x, y]) => document.elementFromPoint(x, y).tagName", [box["x"] + 20, box["y"] + 8])
    assert seen == "OUTPUT", "it is not cut off by the box of the chart"


def test_the_page_works_without_scripts(served: Callable[..., str], browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{served()}/")
    expect(page.get_by_role("heading", name="Sleeves")).to_be_visible()
    context.close()
