"""Every call of the port sends exactly the recorded requests: method, URL with query and signature, body, headers.

The record is made against the embedded exchange with a fixed clock. A missing file is written anew and the test fails:
look at the difference before it is committed.
"""

import inspect
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bot.domain.instrument import Side
from bot.domain.order import OrderType, TimeInForce
from bot.ports import Lane, OutcomeUnknown, Unavailable, Venue, VenueRejected
from bot.venues.binance.adapter import ADAPTER
from bot.venues.ccxt.history import PublicHistory
from tests.venues.binance_server import NOW_MS
from tests.venues.simex_bench import DAY_MS, HOUR_MS, PERP, SPOT, Bench, D, RecordingSession, simex_bench

GOLDEN = Path(__file__).parent / "golden" / "requests.json"
BASES = ("UNI", "AAVE", "MKR", "CRV", "LDO", "COMP", "SNX", "DYDX", "SUSHI", "YFI", "ENS", "GMX", "PENDLE", "LRC")
SPOTS, PERPS = [f"{base}/USDT" for base in BASES], [f"{base}/USDT:USDT" for base in BASES]
NOT_SENT = {"now_ms", "held_seconds", "requests_used", "clock_skew_ms"}
"""Members of the port that ask nothing."""


class Recorder:
    """Calls of one bench with the requests that each of them sent."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.record: dict[str, Any] = {}

    async def __call__(self, label: str, call: Callable[[], Awaitable[Any]]) -> None:
        self.bench.sent.clear()
        outcome = "returned"
        try:
            await call()
        except (VenueRejected, OutcomeUnknown, Unavailable) as error:
            outcome = f"{type(error).__name__}: {error}"
        assert label not in self.record, label
        self.record[label] = {"outcome": outcome, "requests": lines(self.bench.sent)}
        self.bench.clock.value_ms += 1_000


def lines(sent: list[dict[str, Any]]) -> list[str]:
    """One text per request, sorted: requests of one call that go out side by side have no order of their own.

    The user agent is left out: it is ccxt's own where another test of the process has imported the `requests` package.
    """
    return sorted(
        " | ".join(
            [
                one["request"],
                one["body"],
                *(
                    f"{name}: {'(key)' if name == 'X-MBX-APIKEY' else value}"
                    for name, value in sorted(one["headers"].items())
                    if name != "User-Agent"
                ),
            ]
        )
        for one in sent
    )


async def _starts(bench: Bench, record: Recorder) -> None:
    venue = bench.venue
    await record("open", venue.open)
    await record("fetch_instruments some", lambda: venue.fetch_instruments([SPOT, PERP]))
    await record("fetch_instruments again", lambda: venue.fetch_instruments([SPOT, PERP]))
    await record("fetch_instruments many", lambda: venue.fetch_instruments([*SPOTS, *PERPS]))
    await record("fetch_instruments all", lambda: venue.fetch_instruments(None))
    await record("fetch_clock_skew", venue.fetch_clock_skew)
    await record("fetch_account_review", lambda: venue.fetch_account_review(0))
    await record("fetch_account_review known", lambda: venue.fetch_account_review(3_600_000))


async def _market_data(bench: Bench, record: Recorder) -> None:
    venue = bench.venue
    for name, spots, perps in (("few", SPOTS[:2], PERPS[:2]), ("many", SPOTS, PERPS)):
        await record(f"fetch_quotes {name}", lambda s=spots, p=perps: venue.fetch_quotes([*s, *p]))
        await record(f"fetch_funding {name}", lambda p=perps: venue.fetch_funding(p))
        await record(f"fetch_open_orders {name}", lambda s=spots, p=perps: venue.fetch_open_orders([*s, *p]))
    await record("fetch_quotes not listed", lambda: venue.fetch_quotes([SPOT, "OLD/USDT", "OLD/USDT:USDT"]))
    for symbol in (SPOT, PERP):
        await record(f"fetch_book {symbol}", lambda s=symbol: venue.fetch_book(s, 30))
        await record(
            f"fetch_candles {symbol}", lambda s=symbol: venue.fetch_candles(s, HOUR_MS, NOW_MS - 50 * HOUR_MS, 50)
        )
        await record(
            f"fetch_candles pages {symbol}", lambda s=symbol: venue.fetch_candles(s, 60_000, NOW_MS - DAY_MS, 1_200)
        )
    await record("fetch_candles no such interval", lambda: venue.fetch_candles(SPOT, 1_234, NOW_MS - DAY_MS, 5))
    await record("fetch_open_interest", lambda: venue.fetch_open_interest(PERP))
    await record("fetch_instruments known", lambda: venue.fetch_instruments([PERP, SPOT]))


async def _orders(bench: Bench, record: Recorder) -> None:
    venue, ask = bench.venue, bench.request
    shapes: dict[str, dict[str, Any]] = {
        "market": {"price": None},
        "ioc": {"price": "10.5"},
        "fok": {"price": "10.5", "time_in_force": TimeInForce.FOK},
        "rests": {"price": "9.5", "time_in_force": TimeInForce.GTC},
        "post only": {"price": "9.4", "time_in_force": TimeInForce.POST_ONLY},
        "post only takes": {"price": "11", "time_in_force": TimeInForce.POST_ONLY},
        "off the grid": {"price": "9.50001"},
        "bad id": {"price": "9.5", "client_id": "no spaces allowed"},
        "too large": {"price": "10.5", "size": "9000"},
        "late stamp": {"price": "10.5", "stamp_ms": NOW_MS - 90_000},
    }
    await record("admit", lambda: venue.admit(SPOT, Lane.BULK))
    await record("set_leverage", lambda: venue.set_leverage(PERP, D(5)))
    await record("set_leverage known", lambda: venue.set_leverage(PERP, D(5)))
    await record("set_leverage other", lambda: venue.set_leverage(PERP, D(4)))
    await record("set_leverage of spot", lambda: venue.set_leverage(SPOT, D(4)))
    await record("set_leverage half", lambda: venue.set_leverage(PERP, D("2.5")))
    for symbol in (SPOT, PERP):
        kept: dict[str, str] = {}
        for name, shape in shapes.items():
            price, size, changes = shape["price"], shape.get("size", "10"), {}
            changes = {key: value for key, value in shape.items() if key not in ("price", "size")}
            sent = ask(symbol, Side.BUY, size, price, **changes)
            kept[name] = sent.client_id
            await record(f"submit_order {name} {symbol}", lambda r=sent: venue.submit_order(r))
        again = ask(symbol, Side.BUY, "10", "9.5", client_id=kept["rests"], time_in_force=TimeInForce.GTC)
        await record(f"submit_order duplicate {symbol}", lambda r=again: venue.submit_order(r))
        await record(f"fetch_order {symbol}", lambda s=symbol, i=kept["rests"]: venue.fetch_order(s, i))
        await record(f"fetch_order unknown {symbol}", lambda s=symbol: venue.fetch_order(s, "tsbabcnone"))
        await record(f"cancel_order {symbol}", lambda s=symbol, i=kept["rests"]: venue.cancel_order(s, i))
        await record(f"cancel_order again {symbol}", lambda s=symbol, i=kept["rests"]: venue.cancel_order(s, i))
    await record(
        "submit_order reduce only",
        lambda: venue.submit_order(ask(PERP, Side.SELL, "5", None, reduce_only=True)),
    )
    await record(
        "submit_order reduce only of spot",
        lambda: venue.submit_order(ask(SPOT, Side.SELL, "5", None, reduce_only=True)),
    )


async def _triggers_and_money(bench: Bench, record: Recorder) -> None:
    venue = bench.venue
    for symbol, reduces in ((SPOT, False), (PERP, True)):
        for kind, trigger in ((OrderType.STOP, "9"), (OrderType.TAKE_PROFIT, "12")):
            sent = bench.request(
                symbol,
                Side.SELL,
                "5",
                None,
                order_type=kind,
                trigger_price=D(trigger),
                reduce_only=reduces,
                client_id=f"tsbabc{kind.value}{reduces:d}",
            )
            name = f"{kind.value} {symbol}"
            await record(f"submit_order {name}", lambda r=sent: venue.submit_order(r))
            await record(
                f"fetch_order {name}",
                lambda s=symbol, i=sent.client_id: venue.fetch_order(s, i, is_trigger=True),
            )
            await record(
                f"cancel_order {name}",
                lambda s=symbol, i=sent.client_id: venue.cancel_order(s, i, is_trigger=True),
            )
        await record(f"fetch_order_history {symbol}", lambda s=symbol: venue.fetch_order_history(s, NOW_MS - DAY_MS))
        await record(
            f"fetch_order_history of days {symbol}", lambda s=symbol: venue.fetch_order_history(s, NOW_MS - 9 * DAY_MS)
        )
        await record(f"fetch_fills {symbol}", lambda s=symbol: venue.fetch_fills(s, NOW_MS - DAY_MS))
    await record("fetch_account", venue.fetch_account)
    await record("fetch_payments", lambda: venue.fetch_payments(NOW_MS - 9 * DAY_MS))
    await record("move_cash to perp", lambda: venue.move_cash(D("250.5"), to_perp=True))
    await record("move_cash to spot", lambda: venue.move_cash(D("0.00001"), to_perp=False))
    await record("move_cash nothing", lambda: venue.move_cash(D(0), to_perp=False))
    await record("move_margin add", lambda: venue.move_margin(PERP, D("12.5")))
    await record("move_margin take", lambda: venue.move_margin(PERP, D("-2.25")))
    await record("move_margin nothing", lambda: venue.move_margin(PERP, D(0)))


async def _public_history(bench: Bench, record: Recorder) -> None:
    factory: Any = lambda: RecordingSession(  # noqa: E731
        bench.venue._link._session_factory().session,  # type: ignore[misc, union-attr]
        bench.sent,
    )
    history = PublicHistory(ADAPTER, "sim", quote="USDT", clock=bench.clock, session_factory=factory)
    await record("history open", history.open)
    await record("history fetch_instruments", lambda: history.fetch_instruments([SPOT, PERP]))
    for symbol in (SPOT, PERP):
        await record(
            f"history fetch_candles {symbol}", lambda s=symbol: history.fetch_candles(s, "1h", NOW_MS - DAY_MS, NOW_MS)
        )
    await record("history fetch_funding", lambda: history.fetch_funding(PERP, NOW_MS - DAY_MS, NOW_MS))
    await history.close()


async def test_every_call_of_the_port_sends_the_recorded_requests(tmp_path: Path) -> None:
    async with simex_bench(tmp_path, bases=BASES, opens=False) as bench:
        record = Recorder(bench)
        for part in (_starts, _market_data, _orders, _triggers_and_money, _public_history):
            await part(bench, record)
        await record("close", bench.venue.close)
    made = json.dumps(record.record, indent=1) + "\n"
    if not GOLDEN.exists():
        GOLDEN.write_text(made)
        pytest.fail(f"{GOLDEN} was written: look at it and commit it")
    kept = json.loads(GOLDEN.read_text())
    assert list(record.record) == list(kept)
    for label, was in kept.items():
        assert record.record[label] == was, label


def test_the_record_covers_the_whole_port() -> None:
    members = {name for name, _ in inspect.getmembers(Venue, callable) if not name.startswith("_")}
    assert members - NOT_SENT == {label.split(" ")[0] for label in json.loads(GOLDEN.read_text())} - {"history"}
