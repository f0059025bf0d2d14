"""A book over two venues: each row says where it is, and `status` says what a person has to move between them."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.domain.portfolio import Balance
from bot.domain.reason import Reason
from bot.domain.symbol import is_perp
from bot.operate.dashboard.source import make_source
from bot.operate.telegram.answers import answer
from bot.playbook.policy.numbers import Policy
from bot.report import queries
from bot.report.queries import JournalView
from bot.report.views.venues import transfer_row, transfer_text, venue_text, with_venue
from bot.runtime.exit_codes import ExitCode
from bot.venues.registry import FOLDERS, abilities_of
from tests.commands import sectorbot
from tests.operate.dashboard.conftest import dashboard
from tests.report.test_report import held
from tests.risk.worlds import D
from tests.stage import golden, notes_of, staged

PERP = next(name for name in FOLDERS if abilities_of(name).has_demo)
SPOT = next(name for name in FOLDERS if name != PERP)
APART = (f"venue.spot.id={SPOT}", f"venue.perp.id={PERP}")
WALLETS = ("one", "other")


@pytest.fixture(scope="module")
def rotated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The journal of a rotation over two venues, and what it said about money to move."""
    directory = tmp_path_factory.mktemp("apart")

    async def rotate() -> list[str]:
        async with staged(directory, *APART) as stage, stage.app() as app:
            await stage.rotate(app)
            said = [note for result in stage.results for note in notes_of(result)]
            return [note.words for note in said if note.reason is Reason.TRANSFER_NEEDED]

    return directory, asyncio.run(rotate())


@pytest.fixture
def view(rotated: tuple[Path, list[str]]) -> Iterator[JournalView]:
    """It, read with settings that name one venue only: the journal knows better."""
    path = rotated[0] / "journal.db"
    with queries.open_journal((), ("environment=sim", "mode=trade"), path) as opened:
        yield opened


def test_every_row_has_the_venue_of_its_market(view: JournalView) -> None:
    document, orders = queries.positions(view), queries.orders(view, 1_000)
    assert {row["venue"] for row in document["holdings"]} == {SPOT}
    assert {row["venue"] for row in document["positions"]} == {PERP}
    assert {row["sleeve"]: row["venue"] for row in document["sleeves"]} == {
        "defi.spot": SPOT,
        "defi.futures": PERP,
        "infra.spot": SPOT,
        "infra.futures": PERP,
        "cash": SPOT,
        "reserve": SPOT,
    }
    assert {(is_perp(row["symbol"]), row["venue"]) for row in orders} == {(False, SPOT), (True, PERP)}


def test_status_says_what_is_free_where_and_what_to_move(view: JournalView, rotated: tuple[Path, list[str]]) -> None:
    row, _ = queries.status(view)
    record = queries.last_kept(view.reader)
    assert record is not None
    portfolio = queries.portfolio_of(view, record)
    assert row["venue"] == f"{SPOT}+{PERP}"
    assert [(one["venue"], Decimal(one["free_quote"])) for one in row["wallets"]] == [
        (SPOT, record.account.cash_free),
        (PERP, record.account.perp_free),
    ]
    sleeves = queries.positions(view)["sleeves"]
    lack = sum(Decimal(one["left_quote"]) for one in sleeves if one["sleeve"].endswith(".futures"))
    assert lack > 100
    assert abs(Decimal(row["transfer"]["wanted_quote"]) - lack) < D("0.02")
    assert Decimal(row["transfer"]["amount_quote"]) <= portfolio.account.cash_free
    way = f"from spot at {SPOT} to perps at {PERP}"
    assert (row["transfer"]["from"], row["transfer"]["to"]) == (f"spot at {SPOT}", f"perps at {PERP}")
    assert [words for words in rotated[1] if way in words], "the rotation has asked for the same"


def test_the_commands_print_it(rotated: tuple[Path, list[str]]) -> None:
    def shown(command: str) -> str:
        done = sectorbot(command, "--journal", str(rotated[0] / "journal.db"), cwd=rotated[0])
        assert done.returncode == ExitCode.OK, done.stderr
        return done.stdout

    status = shown("status")
    assert f"trade: spot at {SPOT}, perps at {PERP}, environment sim" in status
    assert f"wallets      spot at {SPOT} " in status
    assert "transfer     move " in status
    positions = shown("positions")
    assert f"Spot holdings at {SPOT}" in positions
    assert f"Perp positions at {PERP}" in positions
    sleeve = next(line for line in positions.splitlines() if line.startswith(" defi.futures"))
    assert sleeve.split()[1] == PERP
    assert f" {PERP} " in next(line for line in shown("orders").splitlines() if "/USDT:USDT" in line)


async def test_dashboard_and_telegram_show_it(rotated: tuple[Path, list[str]]) -> None:
    settings = golden(rotated[0])
    source = make_source(settings)
    with source.view() as opened:
        row, _ = queries.status(opened)
        told = answer("positions", settings, opened.reader)
    async with dashboard(source) as client:
        now = await (await client.get("/")).text()
        orders = await (await client.get("/orders")).text()
    assert transfer_text(row["transfer"], "USDT") in now
    assert f"Perp positions at {PERP}" in now
    rows = [row.split("</tr>")[0] for row in orders.split("<tr>") if ">UNI/USDT:USDT<" in row]
    assert rows
    assert all(f"<td>{PERP}</td>" in row for row in rows)
    assert told.index(f"at {SPOT}:") < told.index(f"at {PERP}:") < told.index("UNI/USDT:USDT")


def without_transfers() -> Policy:
    return Policy().changed({"allocation.transfers": False, "allocation.reserve_quote": D(5_000)})


@pytest.mark.parametrize(
    ("share", "free", "wanted", "amount", "way", "words"),
    [
        ("0.12", "9000", 2000, 2000, WALLETS, "move 2,000.00 USDT from one to other"),
        (
            "0.12",
            "5700",
            2000,
            700,
            WALLETS,
            "move 700.00 USDT from one to other, and 1,300.00 more once it is free there",
        ),
        ("0.12", "4000", 2000, 0, WALLETS, "2,000.00 USDT from one to other, once it is free there"),
        ("0.07", "9000", 3000, 3000, WALLETS[::-1], "move 3,000.00 USDT from other to one"),
        ("0.1005", "9000", None, 0, WALLETS, ""),
    ],
    ids=["all of it", "as far as the reserve allows", "nothing is free", "back", "within a thousandth"],
)
def test_what_to_move_is_the_distance_of_the_futures_sleeves_to_their_targets(
    share: str, free: str, wanted: int | None, amount: int, way: tuple[str, str], words: str
) -> None:
    """The futures sleeves hold 10,000 of a book of 100,000; the reserve is 5,000."""
    portfolio = of_futures(D(10_000), cash=D(free))
    row = transfer_row(portfolio, {"defi.futures": D(share), "defi.spot": D("0.5")}, without_transfers(), WALLETS)
    if wanted is None:
        assert row is None
        return
    assert row is not None
    assert ((row["from"], row["to"]), Decimal(row["wanted_quote"])) == (way, wanted)
    assert Decimal(row["amount_quote"]) == amount
    assert transfer_text(row, "USDT") == words


def of_futures(value: Decimal, cash: Decimal) -> Any:
    base = held()
    account = base.account
    balance = Balance("USDT", cash)
    sleeves = {name: replace(one, futures=D(0)) for name, one in base.sectors.items()}
    sleeves["defi"] = replace(sleeves["defi"], futures=value)
    changed = replace(account, balances={**account.balances, "USDT": balance}, perp_free=D(8_000))
    return replace(base, account=changed, book=D(100_000), sectors=sleeves)


def test_nothing_is_to_move_where_the_bot_moves_it_or_there_is_one_wallet() -> None:
    portfolio, target = of_futures(D(10_000), cash=D(9_000)), {"defi.futures": D("0.12")}
    assert transfer_row(portfolio, target, Policy(), WALLETS) is None
    one = replace(portfolio, account=replace(portfolio.account, is_unified=True))
    assert transfer_row(one, target, without_transfers(), WALLETS) is None
    assert transfer_row(portfolio, {}, without_transfers(), WALLETS) is None


def test_one_venue_is_named_once() -> None:
    assert venue_text("x") == "x"
    assert venue_text("x+y") == "spot at x, perps at y"
    assert [row["venue"] for row in with_venue([{"symbol": "A/B"}, {"symbol": "A/B:B"}], "x")] == ["x", "x"]


def test_config_check_says_which_venue_does_what(tmp_path: Path) -> None:
    arguments = ("config", "check", *(f"--set={setting}" for setting in (*APART, "venue.perp.demo=true")))
    (tmp_path / ".env").write_text(
        "SECTORBOT__VENUE__SPOT__API_KEY=of-a-test\nSECTORBOT__VENUE__SPOT__API_SECRET=of-a-test\n"
    )
    done = sectorbot(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"venue: spot at {SPOT}, with the keys of [venue.spot]\n" in done.stdout
    assert f"venue: perps at {PERP}, demo trading, without keys\n" in done.stdout
    (tmp_path / ".env").unlink()
    document = json.loads(sectorbot(*arguments[:2], "--json", cwd=tmp_path).stdout)
    assert list(document["venues"]) == ["spot and perps"]
