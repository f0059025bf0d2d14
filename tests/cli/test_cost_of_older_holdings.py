"""What spot older than the bot was paid for: a setting, a file, the venue's trades, what fills make of it, and where it
shows."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest
from typer.testing import CliRunner, Result

from bot.cli.main import app
from bot.domain.instrument import Side
from bot.domain.market import Cost
from bot.domain.order import Fill
from bot.domain.portfolio import Account, Balance
from bot.feeds.cost_basis import cost_basis, older_cost
from bot.journal.reader import JournalReader
from bot.ports import Listed, SetupFailed, Unavailable, Venue
from bot.runtime.cost_import import fetch_costs, given_costs, import_costs
from bot.runtime.settings.cost_basis import CostBasis, CostFileError, opening_costs, read_cost_file
from bot.runtime.settings.model import Settings, load_settings

D = Decimal
Invoke = Callable[..., Result]
TOKENS = ("UNI", "AAVE")
UNI = "UNI/USDT"


@pytest.fixture
def invoke(workplace: Path) -> Invoke:
    return lambda *arguments: CliRunner().invoke(app, list(arguments), env={"COLUMNS": "120", "NO_COLOR": "1"})


def fill(side: Side, size: str, price: str, number: int) -> tuple[Fill, Decimal]:
    made = Fill("test", str(number), UNI, None, None, side, D(price), D(size), D(0), "USDT", False, number)
    return made, D(size) * D(price)


def test_fills_go_on_from_what_was_held_before() -> None:
    opening = opening_costs({"UNI": CostBasis(size=D(100), price=D(5))}, "USDT")
    assert cost_basis((), (), opening) == {UNI: Cost(UNI, D(100), D(500))}
    bought = [fill(Side.BUY, "100", "15", 1)]
    assert cost_basis(bought, (), opening)[UNI] == Cost(UNI, D(200), D(2000))
    assert cost_basis([*bought, fill(Side.SELL, "50", "20", 2)], (), opening)[UNI] == Cost(UNI, D(150), D(1500))
    assert opening[UNI].size == 100, "what was given is left as it is"


def test_purchases_of_a_file_are_averaged(tmp_path: Path) -> None:
    file = tmp_path / "costs.csv"
    file.write_text("\ufefftoken,size,price,note\nUNI,100,5,first\nUNI,100,15,\nAAVE,1.5,80,\n", encoding="utf-8")
    found = read_cost_file(file, dict.fromkeys(TOKENS))
    assert found == {"UNI": CostBasis(size=D(200), price=D(10)), "AAVE": CostBasis(size=D("1.5"), price=D(80))}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("token,price\nUNI,5\n", "line 1: no column size; the first line must read token,size,price"),
        ("token,size,price\n", "no line after the first"),
        ("", "no column token"),
        ("token,size,price\nUNI,1,5\nDOGE,1,1\n", "line 3: token = 'DOGE' is none of the list"),
        ("token,size,price\nUNI,many,5\n", "line 2: size = 'many' is not a number"),
        ("token,size,price\nUNI,1,-5\n", "line 2: price = '-5' must be above 0"),
        ("token,size,price\nUNI,1,NaN\n", "line 2: price = 'NaN' must be above 0"),
        ("token,size,price\nUNI,1\n", "line 2: price = None is not a number"),
    ],
)
def test_a_file_with_one_wrong_line_is_refused_whole(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "costs.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(CostFileError) as caught:
        read_cost_file(file, dict.fromkeys(TOKENS))
    assert words in str(caught.value)
    assert str(file) in str(caught.value)


def test_the_setting_names_tokens(tmp_path: Path) -> None:
    settings = load_settings((), ('cost_basis.UNI={ size = "100", price = "5" }', f'state_directory="{tmp_path}"'))
    assert settings.cost_basis == {"UNI": CostBasis(size=D(100), price=D(5))}


def test_an_import_shows_in_positions_and_a_wrong_file_changes_nothing(
    invoke: Invoke, finished_run: Path, tmp_path: Path
) -> None:
    journal = str(finished_run / "var" / "sim-dry-run" / "journal.db")
    before = json.loads(invoke("positions", "--journal", journal, "--json").stdout)["holdings"]
    uni = next(row for row in before if row["symbol"] == UNI)
    file = tmp_path / "costs.csv"
    file.write_text("token,size,price\nUNI,1000000,5\n", encoding="utf-8")
    given = ("--set", f'journal.path="{journal}"', "--set", f'state_directory="{finished_run / "var"}"')
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("token,size,price\nUNI,1,0\n", encoding="utf-8")
    assert invoke("cost", "import", str(wrong), *given).exit_code != 0
    assert json.loads(invoke("positions", "--journal", journal, "--json").stdout)["holdings"] == before
    done = invoke("cost", "import", str(file), *given)
    assert (done.exit_code, done.stderr) == (0, "")
    after = json.loads(invoke("positions", "--journal", journal, "--json").stdout)["holdings"]
    row = next(row for row in after if row["symbol"] == UNI)
    assert uni["cost_quote"] is None or D(uni["cost_quote"]) > D(row["cost_quote"])
    assert D(row["cost_quote"]) == pytest.approx(D(5), rel=D("0.1"))
    assert D(row["unrealised_quote"]) > 0


@dataclass
class TradedBefore:
    """An account with trades of its own that can only be read."""

    held: dict[str, str]
    trades: dict[str, tuple[Fill, ...]]
    defects: tuple[tuple[str, str], ...] = ()
    asked: list[tuple[str, int]] = field(default_factory=list)
    is_open: bool = False

    async def open(self) -> None:
        self.is_open = True

    async def close(self) -> None:
        self.is_open = False

    async def fetch_account(self) -> Account:
        assert self.is_open
        return Account(1, "USDT", {name: Balance(name, D(size)) for name, size in self.held.items()}, D(0), D(0), {})

    async def fetch_instruments(self, symbols: Sequence[str] | None = None) -> dict[str, None]:
        return dict.fromkeys(symbol for symbol in symbols or () if symbol in self.trades)

    async def fetch_fills(self, symbol: str, since_ms: int) -> tuple[Fill, ...]:
        self.asked.append((symbol, since_ms))
        return Listed(self.trades[symbol], self.defects)


def traded(*sides: tuple[Side, str, str], symbol: str = UNI, fee_asset: str = "USDT") -> tuple[Fill, ...]:
    """Trades, one a millisecond, with a fee of 1."""
    return tuple(
        Fill("test", str(n), symbol, None, None, side, D(price), D(size), D(1), fee_asset, False, n)
        for n, (side, size, price) in enumerate(sides, start=1)
    )


BOUGHT = ((Side.BUY, "100", "5"), (Side.BUY, "100", "15"), (Side.SELL, "100", "20"))


@pytest.mark.parametrize(
    ("held", "trades", "journaled", "expected", "older"),
    [
        ("100", traded(*BOUGHT), (), ("100", "1001"), "100"),
        ("250", traded(*BOUGHT), (), ("100", "1001"), "250"),
        ("40", traded(*BOUGHT), (), ("40", "400.4"), "40"),
        ("99", traded(*BOUGHT[:1], fee_asset="UNI"), (), ("99", "500"), "99"),
        ("100", traded(BOUGHT[2]), (), None, "100"),
        ("100", (), (), None, "100"),
        ("200", traded(*BOUGHT[:2]), traded(*BOUGHT[:2])[1:], ("100", "501"), "100"),
        ("200", traded(*BOUGHT[:2]), traded(*BOUGHT[:2])[:1], None, "100"),
        ("30", traded(*BOUGHT[:2]), traded(*BOUGHT[:2])[1:], None, "0"),
    ],
    ids=[
        "all of it by average cost",
        "a part of it",
        "the rest has left the account",
        "a fee in kind",
        "sold before the history begins",
        "no history",
        "what the journal has counts there",
        "what is younger than the journal does not count",
        "all that is held is the journal's",
    ],
)
def test_the_cost_of_what_is_older_than_the_journal(
    held: str,
    trades: tuple[Fill, ...],
    journaled: tuple[Fill, ...],
    expected: tuple[str, str] | None,
    older: str,
) -> None:
    cost, size = older_cost(UNI, D(held), reversed(trades), journaled)
    assert cost == (Cost(UNI, D(expected[0]), D(expected[1])) if expected is not None else None)
    assert size == D(older)


def own_settings(folder: Path, *more: str) -> Settings:
    """An account in `trade`, with a journal of its own."""
    return load_settings((), (f'state_directory="{folder}"', "environment=sim", "mode=trade", *more))


def known_costs(settings: Settings) -> Mapping[str, CostBasis]:
    reader = JournalReader(settings.journal_path)
    try:
        return given_costs(settings, reader)
    finally:
        reader.close()


async def test_the_venues_trades_go_over_what_was_stated_as_far_as_they_reach(tmp_path: Path) -> None:
    stated = ('cost_basis.UNI={ size = "7", price = "1" }', 'cost_basis.AAVE={ size = "7", price = "1" }')
    settings = own_settings(tmp_path, *stated)
    venue = TradedBefore(
        {"UNI": "200", "AAVE": "9", "LDO": "5", "CRV": "3", "USDT": "1000"},
        {
            UNI: traded(*BOUGHT[:2]),
            "AAVE/USDT": traded((Side.BUY, "3", "80"), symbol="AAVE/USDT"),
            "LDO/USDT": traded((Side.BUY, "2", "1"), symbol="LDO/USDT"),
            "CRV/USDT": (),
            "COMP/USDT": (),
        },
    )
    found = {one.token: one for one in await fetch_costs(settings, cast(Venue, venue), 77)}
    assert not venue.is_open
    assert {since for _, since in venue.asked} == {77}
    assert "COMP/USDT" not in {symbol for symbol, _ in venue.asked}, "nothing of it is held"
    assert {name: (one.size, one.older, bool(one.refusal)) for name, one in found.items()} == {
        "UNI": (D(200), D(200), False),
        "AAVE": (D(3), D(9), True),
        "LDO": (D(2), D(5), False),
        "CRV": (D(0), D(3), False),
    }
    costs = known_costs(settings)
    assert costs["UNI"] == CostBasis(size=D(200), price=D("10.01"))
    assert costs["AAVE"] == CostBasis(size=D(7), price=D(1)), "they explain a part of it only"
    assert costs["LDO"] == CostBasis(size=D(2), price=D("1.5"))
    assert "CRV" not in costs
    file = tmp_path / "costs.csv"
    file.write_text("token,size,price\nUNI,1,2\n", encoding="utf-8")
    await asyncio.to_thread(import_costs, settings, file)
    costs = known_costs(settings)
    assert (costs["UNI"].price, costs["LDO"].size) == (D(2), D(2)), "the younger of both goes over the other"


async def test_a_trade_that_cannot_be_read_writes_nothing(tmp_path: Path) -> None:
    settings = own_settings(tmp_path)
    venue = TradedBefore({"UNI": "200"}, {UNI: traded(*BOUGHT)}, ((UNI, "no price"),))
    with pytest.raises(Unavailable, match=r"a trade of UNI/USDT cannot be read \(no price\); state its cost in a file"):
        await fetch_costs(settings, cast(Venue, venue), 0)
    assert not venue.is_open
    assert known_costs(settings) == {}


async def test_a_paper_account_is_not_told_what_the_real_one_has_paid(tmp_path: Path) -> None:
    settings = own_settings(tmp_path, "mode=dry-run")
    venue = TradedBefore({"UNI": "200"}, {UNI: traded(*BOUGHT)})
    with pytest.raises(SetupFailed, match=r"mode = dry-run: .*set mode=trade, or .*sectorbot cost import FILE"):
        await fetch_costs(settings, cast(Venue, venue), 0)
    assert not venue.asked
    assert not settings.journal_path.exists()


def test_without_an_account_there_are_no_trades(invoke: Invoke, tmp_path: Path) -> None:
    for chosen, why in (("sim", "environment = sim has no account"), ("testnet", "has no key")):
        done = invoke("cost", "fetch", "--from", "2024-01-01", "--set", f"environment={chosen}")
        assert done.exit_code == 2
        assert why in done.stderr
        assert "sectorbot cost import FILE" in done.stderr
