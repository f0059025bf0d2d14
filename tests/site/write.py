"""Write what the pages show: printed output into their blocks, pictures of the dashboard. `python -m tests.site.write`.

Needs chromium for the pictures. `masked` takes out of an output what differs from run to run.
"""

import asyncio
import base64
import re
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.async_api import async_playwright

from bot.operate.dashboard.server import make_app, start
from bot.operate.dashboard.source import BotSource
from tests.commands import sectorbot, sectorbot_process
from tests.operate.dashboard.conftest import pretend_daemon, settings_of
from tests.site.pages import DOCS, with_output
from tests.stage import staged

QUICK_START = DOCS / "quick-start.md"
PICTURE = DOCS / "pictures" / "dashboard.webp"
WIDTH, HEIGHT, QUALITY = 1400, 800, 60


def masked(text: str) -> list[str]:
    """Lines without figures, folders, persons and padding: what two runs of a command have in common. How many cycles
    find nothing to do, and when the dashboard is ready, depends on the machine."""
    text = re.sub(r"/\S*sectorbot-demo-\S+?(?=/|\s|$)", "DIR", text)
    text = re.sub(r"(process|by) \S+", r"\1 X", text)
    text = re.sub(r"(kill switch +off) \(.*\)", r"\1", text)  # an earlier resume may have left its reason
    text = re.sub(r"[+−-]?\d[\d,.:-]*", "0", text)
    text = re.sub(r"\b[A-Z]{2,}(, [A-Z]{2,})+", "TOKENS", text)
    text = re.sub(r"[ ─]{2,}", "  ", text)
    lines = [line.strip() for line in text.splitlines() if "alias sectorbot=" not in line]  # not of `python -m bot`
    idle = re.compile(r"  (nothing to do|waits for .*)$")
    return [line for line in lines if line and not line.startswith("dashboard") and not idle.search(line)]


def demo_output(folder: Path) -> str:
    """What `make demo` prints: it calls a file that no shell finds by its name."""
    done = sectorbot_process("demo", cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.replace("Next\n", "Next\n  alias sectorbot=/home/anna/sectorbot/.venv/bin/sectorbot\n")


def bot_outputs(folder: Path) -> dict[str, str]:
    """What the other commands of the quick start print about a bot that runs in a folder."""
    halted = ("halt", "--level", "pause", "--reason", "going to bed", "--by", "anna@desk")
    return {
        "status": sectorbot("status", cwd=folder).stdout,
        "halt": sectorbot(*halted, cwd=folder).stdout
        + sectorbot("resume", "--reason", "awake again", cwd=folder).stdout,
    }


async def take_picture() -> bytes:
    """The dashboard's first page of a bot that has rotated, as WebP."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        async with staged(state) as stage, stage.app() as app:
            await stage.rotate(app)
        pretend_daemon(state)
        settings = settings_of(state, "dashboard.port=0")
        source = BotSource("sectorbot", settings, is_journal_time=True)
        runner, address = await start(make_app([source], settings.dashboard), settings.dashboard)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = await browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
            await page.goto(address)
            await page.wait_for_selector("#live:has-text('live')")
            devtools = await page.context.new_cdp_session(page)
            shot = await devtools.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
            await browser.close()
        await runner.cleanup()
        source.close()
    return base64.b64decode(shot["data"])


def main() -> None:
    """Write all of it."""
    from tests.site.test_commands import Bot

    with tempfile.TemporaryDirectory() as folder:
        outputs = {"demo": demo_output(Path(folder))}
        bot = Bot(Path(folder))
        bot.start("-e", "sim")
        outputs |= bot_outputs(Path(folder))
        bot.stop()
    for name, text in outputs.items():
        QUICK_START.write_text(with_output(QUICK_START, name, text), encoding="utf-8")
    PICTURE.write_bytes(asyncio.run(take_picture()))
    sys.stdout.write(f"written: {', '.join(outputs)} in {QUICK_START.name}, {PICTURE.name}\n")


if __name__ == "__main__":
    main()
