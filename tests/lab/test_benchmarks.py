"""Benchmarks by hand: what they buy, what it costs, what is left."""

from decimal import Decimal

import pytest

pytest.importorskip("pyarrow")

from bot.lab.backtest.benchmarks import BTC, HOLD, MONTHLY, Benchmarks
from bot.playbook.policy.numbers import Policy, Sector, Sectors
from bot.simex.market.catalogue import default_instruments
from bot.simex.market.replay import ReplayMarket
from tests.lab.markets import DAY, START_MS, H, Price, path_of

D = Decimal
BOOK = D(100_000)
VOLUME = 1e13  # so much depth that everything fills at the best price
SECTORS = Sectors(
    sectors={"defi": Sector(weight_max=D(1)), "infra": Sector(weight_max=D(1))},
    tokens={"UNI": {"defi": D(1)}, "ETH": {"infra": D(1)}},
)
HALF_SPREAD = D("0.0001")
FEE = D("0.001")


def benchmarks(prices: dict[str, Price], first_ms: dict[str, int] | None = None) -> Benchmarks:
    hours = 24 * 70
    paths = {}
    for symbol, price in prices.items():
        start_ms = (first_ms or {}).get(symbol, START_MS - DAY)
        paths[symbol] = path_of(price, start_ms, hours, VOLUME)
    market = ReplayMarket(paths)
    tokens = {symbol.partition("/")[0]: D(100) for symbol in prices}
    known = {s: i for s, i in default_instruments(tuple(tokens), tokens).items() if s in paths}
    return Benchmarks(market, known, Policy(), SECTORS, start_ms=START_MS, book_quote=BOOK)


def flat(_: int) -> float:
    return 100.0


def bought_for(budget: Decimal) -> tuple[Decimal, Decimal]:
    """(tokens, quote spent) of a purchase at 100: at the ask, in lots, the fee taken from the tokens."""
    ask = 100 * (1 + HALF_SPREAD)
    size = budget / ask // D("0.001") * D("0.001")
    return size * (1 - FEE), size * ask


def test_each_pays_half_the_spread_and_the_fee_once() -> None:
    found = benchmarks({"UNI/USDT": flat, "ETH/USDT": flat, "BTC/USDT": flat})
    equity = found.step(START_MS)
    parts = [bought_for(BOOK * share) for share in (D("0.30"), D("0.55"))]
    by_hand = BOOK + sum((tokens * 100 - spent for tokens, spent in parts), D(0))
    assert abs(equity[HOLD] - by_hand) < D("0.01")
    assert abs(equity[MONTHLY] - by_hand) < D("0.01")
    tokens, spent = bought_for(BOOK)
    assert abs(equity[BTC] - (BOOK + tokens * 100 - spent)) < D("0.01")
    assert found.tallies[BTC].fees_quote == pytest.approx(spent * FEE)


def test_only_the_monthly_one_sells_what_has_doubled_on_the_first() -> None:
    month_ms = START_MS + 31 * DAY
    found = benchmarks(
        {"UNI/USDT": lambda at: 100.0 if at < month_ms - DAY else 200.0, "ETH/USDT": flat, "BTC/USDT": flat}
    )
    equity = found.step(START_MS)
    for at_ms in range(START_MS + DAY, month_ms + DAY, DAY):
        equity = found.step(at_ms)
    uni = {name: found.exchanges[name].balances(name)["UNI"].total for name in (HOLD, MONTHLY)}
    assert uni[HOLD] == pytest.approx(bought_for(BOOK * D("0.30"))[0])
    assert uni[MONTHLY] * 200 == pytest.approx(equity[MONTHLY] * D("0.30"), rel=D("0.002"))
    assert found.tallies[HOLD].orders == 2
    assert equity[HOLD] == pytest.approx(D(130_000), rel=D("0.002"))


def test_a_sector_waits_in_cash_until_one_of_its_tokens_is_listed() -> None:
    listed_ms = START_MS + 10 * DAY
    found = benchmarks({"UNI/USDT": flat, "ETH/USDT": flat, "BTC/USDT": flat}, first_ms={"UNI/USDT": listed_ms})
    found.step(START_MS)
    assert "UNI" not in found.exchanges[HOLD].balances(HOLD)
    found.step(listed_ms)
    assert found.exchanges[HOLD].balances(HOLD)["UNI"].total == pytest.approx(bought_for(BOOK * D("0.30"))[0])
    assert "UNI" not in found.exchanges[MONTHLY].balances(MONTHLY), "it waits for the first of the month"


def test_a_path_steps_by_the_hour() -> None:
    """The hand-made market says at noon what its maker said."""
    market = ReplayMarket({"UNI/USDT": path_of(lambda at: 100.0 + (at - START_MS) / H, START_MS, 48)})
    assert market.at("UNI/USDT", START_MS + 12 * H).mid == pytest.approx(112.0)
