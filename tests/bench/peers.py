"""Other back-testers on the tables of `bench_backtest`, each where it is installed: the same bars, another task.

A peer holds a token while its fast average is above the slow one, an equal part of the money for each, with market
orders that live in its own order book-keeping. None of them has what `sectorbot` adds: a journal, a gate, hedges, two
wallets, reconciliation. So a ratio to one says what that costs, not which of them is better.
"""

import asyncio
import importlib.util
from array import array
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import repeat
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

FAST, SLOW = 12, 48
PRICE_STEP, SIZE_STEP = Decimal("0.0001"), Decimal("0.000001")
FEE_PERCENT, MONEY = Decimal("0.1"), Decimal(100_000)
HOUR = timedelta(hours=1)


def installed() -> Mapping[str, Callable[[Path], dict[str, int]]]:
    """The peers that can be run here, by the name of their package."""
    return {name: run for name, run in {"basana": basana}.items() if importlib.util.find_spec(name)}


def rows_of(folder: Path) -> Mapping[str, Callable[[], Iterator[tuple[int, tuple[float, ...]]]]]:
    """Hourly rows of the symbols of both tables, one at a time: ms of the open; open, high, low, close, volume."""
    found = {}
    for file in ("ohlcv_1h", "perp_ohlcv_1h"):
        table = pq.read_table(folder / f"{file}.parquet")
        for symbol in table["symbol"].unique().to_pylist():
            own = table.filter(pc.equal(table["symbol"], symbol))
            times = array("q", own["ts"].to_pylist())
            columns = [array("d", own[name].to_pylist()) for name in ("open", "high", "low", "close", "volume")]
            found[symbol.replace("/", "").replace(":", "")] = partial(
                zip, times, zip(*columns, strict=True), strict=True
            )
    return found


def basana(folder: Path) -> dict[str, int]:
    """basana: events in the order of time, decimal prices and amounts, an exchange with orders and fees."""
    import basana as bs
    from basana.backtesting import exchange, fees, liquidity

    dispatcher = bs.backtesting_dispatcher()
    venue = exchange.Exchange(
        dispatcher,
        initial_balances={"USDT": MONEY},
        liquidity_strategy_factory=liquidity.InfiniteLiquidity,
        fee_strategy=fees.Percentage(FEE_PERCENT),
        default_pair_info=bs.PairInfo(6, 4),
    )
    count = {"orders": 0, "bars": 0}
    tables = rows_of(folder)
    part = MONEY / len(tables) * Decimal("0.95")

    class Rows(bs.EventSource):
        """Bars one at a time: a list of all of them would be most of the memory."""

        def __init__(self, bars: Iterator[bs.BarEvent]) -> None:
            super().__init__()
            self.bars = bars

        def pop(self) -> bs.BarEvent | None:
            return next(self.bars, None)

    class Trader:
        """One token, its two averages and what is held of it."""

        def __init__(self, pair: bs.Pair) -> None:
            self.pair, self.seen, self.fast, self.slow, self.held = pair, 0, 0.0, 0.0, Decimal(0)

        async def look(self, event: bs.BarEvent) -> None:
            close = event.bar.close
            self.seen += 1
            count["bars"] += 1
            for name, period in (("fast", FAST), ("slow", SLOW)):
                before = getattr(self, name) if self.seen > 1 else float(close)
                setattr(self, name, before + (float(close) - before) * 2 / (period + 1))
            wants = self.seen > SLOW and self.fast > self.slow
            if wants and not self.held:
                self.held = (part / close).quantize(SIZE_STEP)
                await venue.create_market_order(bs.OrderOperation.BUY, self.pair, self.held)
                count["orders"] += 1
            elif self.held and not wants:
                await venue.create_market_order(bs.OrderOperation.SELL, self.pair, self.held)
                self.held = Decimal(0)
                count["orders"] += 1

    for symbol, rows in tables.items():
        pair = bs.Pair(symbol, "USDT")
        bars = (
            bs.BarEvent(at + HOUR, bs.Bar(at, pair, *(Decimal(value).quantize(PRICE_STEP) for value in row), HOUR))
            for pair, (ms, row) in zip(repeat(pair), rows(), strict=False)
            for at in (datetime.fromtimestamp(ms / 1000, UTC),)
        )
        venue.add_bar_source(Rows(bars))
        venue.subscribe_to_bar_events(pair, Trader(pair).look)
    asyncio.run(dispatcher.run())
    return count
