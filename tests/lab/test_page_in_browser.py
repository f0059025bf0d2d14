"""The report page in a real browser: on a phone and on a desk, light and dark, with values under the pointer."""

import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect, sync_playwright

from bot.lab.backtest.attribution import Contribution
from bot.lab.backtest.page import page_of
from bot.lab.backtest.record import Month, Rotation, document_of
from tests.lab.test_page import DAY, START_MS, record_of
from tests.operate.dashboard.test_browser import CHROMIUM, FLAGS, SERIOUS

pytestmark = pytest.mark.skipif(shutil.which(CHROMIUM or "") is None, reason="no chromium on this machine")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two years."""
    record = record_of(730)
    for number in range(2, 8):
        at_ms = START_MS + number * 20 * DAY
        orders = number % 3 * 4
        record.rotations[number] = Rotation(
            number,
            "into_defi",
            "neutral",
            "neutral",
            at_ms,
            Decimal(1000),
            "done",
            at_ms + DAY,
            Decimal(990),
            2,
            orders,
        )
    gains = {"UNI": 40, "ETH": -15, "SOL": 3}
    record.by_token = {name: Contribution(price_quote=Decimal(gain), trades=4) for name, gain in gains.items()}
    record.traded = {f"2024-{month:02}": Month(Decimal(month * 1000), Decimal(month), month) for month in range(1, 13)}
    page = tmp_path_factory.mktemp("report") / "report.html"
    page.write_text(page_of(record, document_of(record)), encoding="utf-8")
    return page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield started
        started.close()


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1400, "dark")])
def test_the_page_fits_and_can_be_read(width: int, scheme: Any, report: Path, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(report.as_uri())
    for summary in page.locator("details > summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shown, hidden = (".phone", ".desk") if width == 390 else (".desk", ".phone")
    expect(page.locator(f"{shown} svg").first).to_be_visible()
    expect(page.locator(f"{hidden} svg").first).to_be_hidden()
    size = page.locator(f"{shown} svg").first.bounding_box()
    words = page.locator(f"{shown} svg .tick").first.bounding_box()
    assert size is not None
    assert words is not None
    assert size["height"] >= 200
    assert words["height"] >= 9, "words of the axis can be read"
    assert "USDT" in page.locator("h2:has-text('Equity') + p").first.inner_text()
    titles = page.locator(".desk svg .slice title").all_text_contents()
    assert titles[0].startswith("2024-01-01: btc ")
    assert "sectorbot 1,000" in titles[0]
    found = Axe().run(page).response["violations"]
    assert [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in SERIOUS] == []
    assert said == []
    context.close()
