"""The demo as a newcomer reads it: a first line at once, a line a cycle, a short summary in words, what to do next."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from decimal import Decimal
from pathlib import Path

import pytest

from bot.report.demo_text import summary_lines
from tests.commands import environment, sectorbot
from tests.site.pages import blocks
from tests.site.write import QUICK_START, masked

CYCLE = re.compile(r"\d\d-\d\d \d\d:\d\d +(\d+)  \w+ +([\d,.]+)  ")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], float]:
    """Standard output of the demo, and after how many seconds its first line came on standard error."""
    folder = tmp_path_factory.mktemp("demo")
    started = time.monotonic()
    command = [sys.executable, "-m", "bot", "demo"]
    with subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("starting the embedded exchange")
        first = time.monotonic() - started
        out, failed = process.communicate(timeout=120)
    assert process.returncode == 0, failed
    return out.splitlines(), first


FIRST = """
import os, sys, typer
def echo(*_, **__):
    heavy = ("ccxt", "aiohttp", "sqlite_utils", "bot.lab", "bot.operate", "bot.simex", "bot.runtime.wiring")
    print([name for name in heavy if name in sys.modules], flush=True)
    os._exit(0)
typer.echo = echo
sys.argv = ["sectorbot", "demo"]
from bot.__main__ import main
main()
"""


def test_the_first_line_comes_before_anything_heavy_is_loaded(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FIRST]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow  # `test_beside.py` has the page beside a run
def test_the_dashboard_is_served_while_the_demo_runs_and_ends_with_it(shown: tuple[list[str], float]) -> None:
    (line,) = [line for line in shown[0] if line.startswith("dashboard ")]
    port = int(line.split()[1].rstrip("/").rpartition(":")[2])
    assert line.endswith("(ends with the demo; stays with --keep)")
    assert shown[0].index(line) < min(n for n, each in enumerate(shown[0]) if CYCLE.match(each)), "before the cycles"
    with socket.socket() as asked:
        assert asked.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_demo_that_is_kept_goes_on_serving_until_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-u", "-m", "bot", "demo", "--keep", "--directory", str(tmp_path)]
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = next(line.split()[-1] for line in process.stdout if line.startswith("In a browser: http"))
            assert next(line for line in process.stdout if line.startswith("Try it"))
            with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - of the demo
                assert b"Sleeves" in answer.read()
            process.send_signal(number)
            assert process.wait(30) == 0
        finally:
            process.kill()


def test_the_first_line_does_not_wait_for_the_exchange(shown: tuple[list[str], float]) -> None:
    assert shown[1] < 5, "well under a second on a machine that is not busy"


def test_a_cycle_is_one_line_and_the_whole_fits_on_a_screen(shown: tuple[list[str], float]) -> None:
    lines = shown[0]
    cycles = [found[1] for line in lines if (found := CYCLE.match(line))]
    assert cycles == [str(n) for n in range(1, len(cycles) + 1)]
    begin = next(number for number, line in enumerate(lines) if line.startswith("What happened"))
    end = next(number for number, line in enumerate(lines) if line.startswith("Next"))
    assert end - begin <= 17
    assert len(lines) <= 45
    assert [line for line in lines if len(line) > 80 and "/journal.db" not in line and "rm -r" not in line] == []


def test_the_summary_says_in_words_what_happened_and_what_it_cost(shown: tuple[list[str], float]) -> None:
    text = "\n".join(shown[0])
    for words in (
        "simulated money at an embedded exchange",
        "equity USDT  what the bot did (notional USDT)",
        "hedged: sold 1 perp short, 4,99",
        "spot → perp wallet",
        "1 leveraged long, 19,9",
        "tranche 2 of 2 at 09:00",
        "sold tokens, 19,99",
        "bought tokens, 17,9",
        "opened a leveraged long (perp)",
        "placed 1 protective stop",
        "closed 1 hedge, 5,00",
        "closed the hedge, notional 5,00",
        "USDT, stop 9.2",
        "ETH/USDT:USDT stop at 3,53",
        " canceled: its hedge was closed",
        "apart: reserve 4,99",
        "journal and exchange agree",
    ):
        assert words in text, text
    shown_by_cycle = [found[2] for line in shown[0] if (found := CYCLE.match(line))]
    cost = next(line for line in shown[0] if line.startswith("Result"))
    begin, end = (word.replace(",", "") for word in (cost.split()[2], cost.split()[4]))
    assert abs(Decimal(begin) - 105_000) < 1, "before the first order"
    assert end == shown_by_cycle[-1].replace(",", "")
    journal = next(line for line in shown[0] if "sectorbot positions" in line).split()[-1]
    earned = json.loads(sectorbot("pnl", "--journal", journal, "--json", cwd=Path(journal).parent).stdout)
    start = earned["periods"]["start"]
    assert f"({round(Decimal(start['net_quote']), 2):+,.2f})" in cost, "as `pnl` says it"
    hedge = round(Decimal(start["by_sleeve"]["infra.hedge"]["realised_quote"]), 2)
    assert f"realised P&L {hedge:+,.2f} USDT" in text
    prices = next(line for line in shown[0] if line.startswith("  prices")).split()
    price, realised, unrealised = (Decimal(prices[n].strip(":,")) for n in (1, 3, 5))
    assert realised == round(Decimal(start["realised_quote"]), 2)
    assert unrealised == round(Decimal(start["unrealised_quote"]), 2)
    assert f"({Decimal(end) - Decimal(begin):+,.2f})" in cost
    fees = next(line for line in shown[0] if line.strip().startswith("fees"))
    whole, direct, tokens, funding = (Decimal(fees.split()[n].strip("(")) for n in (1, 2, 5, -1))
    assert -whole == direct + tokens > 0
    assert abs(price + whole + funding - (Decimal(end) - Decimal(begin))) <= Decimal("0.03"), "but for rounding"


def test_cash_from_sales_is_a_part_of_the_book_and_the_reserve_is_not() -> None:
    sleeves = {
        "defi.spot": {"share": "0.15", "target_share": "0.15"},
        "infra.spot": {"share": "0.35", "target_share": "0.35"},
        "infra.futures": {"share": "0.07", "target_share": "0.07"},
    }
    summary = {
        "quote": "USDT",
        "condition": "downtrend",
        "stance": "de_risk",
        "book_quote": "100000",
        "equity_quote": "105000",
        "equity_start_quote": None,
        "reserve_quote": "48000",
        "reserve_wanted_quote": "5000",
        "sleeves": sleeves,
        "executed": [],
        "positions": [],
        "stops": {},
        "not_filled": [],
        "orders": {"sent": 0, "filled": 0, "rejected": 0},
        "profit": None,
        "reconciled": True,
    }

    def told(cash: str) -> str:
        return " ".join(" ".join(summary_lines({**summary, "reserve_quote": cash})).split())

    assert "perp collateral 7.00 %, cash 43.00 % of the book; apart: reserve 5,000.00 USDT" in told("48000")
    assert "perp collateral 7.00 % of the book; apart: reserve 4,000.00 USDT" in told("4000"), "lent in part"
    assert "perp collateral 7.00 % of the book orders" in told("0")


def test_the_next_commands_name_the_journal_that_is_kept(shown: tuple[list[str], float]) -> None:
    after = shown[0][shown[0].index("Next") :]
    assert sum(line.startswith("  sectorbot ") for line in after) == 4
    journal = Path(next(line for line in after if "positions" in line).split()[-1])
    assert journal.is_file()
    assert after[-3] == f"  sectorbot dashboard --journal {journal}"
    assert after[-2] == "In a browser: http://127.0.0.1:8420/ while `sectorbot dashboard` runs"
    assert after[-1] == f"The journal stays on disk; delete it with: rm -r {journal.parent}"


def test_the_quick_start_shows_this_demo(shown: tuple[list[str], float]) -> None:
    (page,) = [block.text for block in blocks(QUICK_START) if block.name == "demo"]
    assert masked("\n".join(shown[0])) == masked(page), "run: python -m tests.site.write"
