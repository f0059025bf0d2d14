"""The bot over a market: the same twice, blind to what comes, and the same orders as the demo gives."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

pytest.importorskip("pyarrow")

from bot.domain.money import ZERO
from bot.domain.order import Order, Purpose
from bot.journal.journal import JournalReader
from bot.lab.backtest.attribution import LONG as TACTICAL
from bot.lab.backtest.attribution import SHORT as HEDGES
from bot.lab.backtest.command import summary_of
from bot.lab.backtest.record import Record, document_of
from bot.lab.backtest.run import PriceGrid, Schedule, World, run_backtest
from bot.lab.demo import scenarios
from bot.lab.demo.run import DemoOptions, run_demo
from bot.runtime.settings.model import Settings, load_settings, packaged_config
from bot.runtime.simulator.embedded import ANCHORS, MarketMacro, MarketTvl, neutral_holdings, tokens_of
from bot.simex.engine.exchange import Exchange
from bot.simex.market.path import CandlePath
from bot.simex.market.replay import ReplayMarket
from bot.simex.market.synthetic import SyntheticMarket
from tests.lab.markets import DAY, START_MS, H, Price, path_of, wandering

WARMUP_DAYS, DAYS = 140, 22
SYMBOLS = ("BTC/USDT", "UNI/USDT", "AAVE/USDT", "CRV/USDT", "ETH/USDT", "SOL/USDT", "LINK/USDT")
PERPS = ("UNI/USDT:USDT", "AAVE/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT")
SEED, BOOK, CENT = 8, Decimal(100_000), Decimal("0.01")
EVERYTHING = 100_000


def settings_in(folder: Path, *changes: str, files: Sequence[Path] = ()) -> Settings:
    folder.mkdir(parents=True, exist_ok=True)
    places = (f'state_directory="{folder}"', 'environment="sim"', 'mode="trade"')
    return load_settings(files, (*places, *changes))


def market_of(
    prices: Mapping[str, Price], days: int = DAYS, more: Mapping[str, CandlePath] = MappingProxyType({})
) -> ReplayMarket:
    first_ms, hours = START_MS - WARMUP_DAYS * DAY, 24 * (WARMUP_DAYS + days + 1)
    paths = {symbol: path_of(price, first_ms, hours, 5e6) for symbol, price in prices.items()}
    times = range(first_ms, first_ms + hours * H, 8 * H)
    funding = {perp: [(at, 0.0001 * (1 + at // (8 * H) % 3)) for at in times] for perp in PERPS}
    return ReplayMarket({**paths, **more}, funding=funding, perps=PERPS)


def prices_of(seed: int) -> dict[str, Price]:
    """Lively enough for conditions to change."""
    return {symbol: wandering(seed * 100 + index, 50.0, 0.012) for index, symbol in enumerate(SYMBOLS)}


def run(settings: Settings, world: World, schedule: Schedule) -> tuple[Record, list[Order]]:
    record = Record(
        schedule.start_ms,
        schedule.end_ms,
        "USDT",
        world.book_quote,
        1,
        settings.digest,
        settings.playbook.signals.market_symbol,
        {"decide_hours": 24, "guard_hours": 1},
    )
    run_backtest(settings, world, schedule, record, on_progress=lambda _: None)
    reader = JournalReader(settings.journal_path)
    orders = list(reader.load_orders(EVERYTHING))
    reader.close()
    return record, sorted(orders, key=lambda order: (order.sent_ms, order.client_id))


def walk(folder: Path, prices: Mapping[str, Price], days: int = DAYS, **options: Any) -> tuple[Record, list[Order]]:
    schedule = Schedule(START_MS, START_MS + days * DAY, **options)
    return run(settings_in(folder), World(market_of(prices, days), BOOK), schedule)


@dataclass(frozen=True, slots=True)
class Walked:
    """One run that several tests look at: what it recorded, its orders, its journal."""

    record: Record
    orders: list[Order]
    journal: Path


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Walked:
    folder = tmp_path_factory.mktemp("walked")
    record, orders = walk(folder, prices_of(SEED))
    return Walked(record, orders, settings_in(folder).journal_path)


@pytest.mark.slow
def test_the_same_market_and_settings_give_the_same_run_to_the_last_digit(walked: Walked, tmp_path: Path) -> None:
    again, orders = walk(tmp_path, prices_of(SEED))
    assert json.dumps(document_of(walked.record), default=str) == json.dumps(document_of(again), default=str)
    assert walked.orders == orders
    assert walked.record.moments == again.moments
    assert len(orders) > 10


def test_what_comes_later_changes_nothing_before(walked: Walked, tmp_path: Path) -> None:
    cut_ms = START_MS + 18 * DAY
    known = prices_of(SEED)

    def changed(price: Price, factor: float) -> Price:
        return lambda at: price(at) if at <= cut_ms else price(cut_ms) * math.exp(factor * (at - cut_ms) / DAY)

    other = {symbol: changed(price, 0.03 * (-1) ** n) for n, (symbol, price) in enumerate(known.items())}
    one = walked.record
    two, others = walk(tmp_path, other)
    assert [m for m in one.moments if m.at_ms <= cut_ms] == [m for m in two.moments if m.at_ms <= cut_ms]
    assert [t for t in one.turns if t.at_ms <= cut_ms] == [t for t in two.turns if t.at_ms <= cut_ms]
    assert _sent(walked.orders, cut_ms) == _sent(others, cut_ms) != []
    assert one.moments[-1].equity != two.moments[-1].equity, "a future that changes nothing proves nothing"


def test_profit_and_costs_by_source_add_up_to_the_change_of_equity(walked: Walked) -> None:
    record = walked.record
    gained = sum((part.net_quote for part in record.parts.values()), ZERO)
    assert abs(gained - (record.moments[-1].equity - record.book_quote)) < Decimal("0.01")


def test_what_the_stances_earned_adds_up_to_the_change_of_equity(walked: Walked) -> None:
    record, document = walked.record, document_of(walked.record)
    net = sum((found.net for found in record.by_stance.values()), ZERO)
    assert abs(net - (record.moments[-1].equity - record.book_quote)) < Decimal("0.01")
    parts = record.parts.values()
    whole = document["whole"]
    assert abs(Decimal(whole["fees_quote"]) + sum((part.fees_quote for part in parts), ZERO)) < CENT
    assert abs(Decimal(whole["funding_quote"]) - sum((part.funding_quote for part in parts), ZERO)) < CENT
    assert sum(found["days"] for found in document["by_stance"].values()) == len(record.moments) - 1
    assert set(document["by_stance"]) == {turn.stance for turn in record.turns}
    assert document["hedges"]["days"] > 0
    assert document["market"] == {"beta": None, "alpha_year": None}, "22 days are too few"
    shown = summary_of(document).splitlines()
    first = next(number for number, line in enumerate(shown) if line.startswith("by stance, USDT "))
    block = shown[first : first + 11]
    assert [line[:12].strip() for line in block[1:3]] == ["days", "neutral book"]
    assert block[0].split()[-1] == "all"
    assert max(map(len, block)) <= 80
    *parts_shown, net_shown = (float(line.split()[-1].replace(",", "")) for line in block[2:])
    assert block[-1].startswith("net ")
    assert abs(sum(parts_shown) - net_shown) <= len(parts_shown), "each is rounded to whole USDT"


def test_the_report_counts_what_the_journal_has(walked: Walked) -> None:
    document = document_of(walked.record)
    reader = JournalReader(walked.journal)
    fills, paid = reader.load_fills(EVERYTHING), reader.load_payments()
    traded = reader.load_turnover(0)
    reader.close()
    fees = sum((f.fee if f.fee_asset == "USDT" else f.fee * f.price for f in fills), ZERO)
    parts = walked.record.parts.values()
    assert abs(Decimal(document["costs"]["fees_quote"]) - fees) < CENT
    assert abs(Decimal(document["costs"]["traded_quote"]) - traded) < CENT
    assert sum(part.trades for part in parts) == len(fills)
    assert document["counts"]["orders"] == len(walked.orders)
    assert {f"{HEDGES} of infra", TACTICAL} <= set(walked.record.parts), "a run without perps proves nothing of them"
    assert HEDGES not in walked.record.parts, "every hedge names the sector that it covers"
    for name, part in document["covered"].items():
        nets = [document["contributions"][key]["net_quote"] for key in (f"{HEDGES} of {name}", f"spot {name}")]
        assert Decimal(part["net_quote"]) == sum(map(Decimal, nets))
    assert any(p.kind == "funding" for p in paid)
    assert sum((p.funding_quote for p in parts), ZERO) == sum((p.amount for p in paid if p.kind == "funding"), ZERO)
    assert walked.record.reconciled
    assert document["counts"]["mismatches"] == 0


def test_the_funding_of_every_perp_leg_is_told_as_expected_and_as_it_was(walked: Walked) -> None:
    legs = document_of(walked.record)["funding_legs"]
    assert {leg["purpose"] for leg in legs} == {"hedge", "tactical"}
    assert all(Decimal(leg["expected"]["quote"]) != 0 for leg in legs)
    reader = JournalReader(walked.journal)
    paid = sum((p.amount for p in reader.load_payments() if p.kind == "funding"), ZERO)
    orders = {order.intent_id for order in reader.load_orders(EVERYTHING)}
    reader.close()
    assert paid != 0
    assert sum((Decimal(leg["actual_quote"]) for leg in legs), ZERO) == paid
    assert {leg["id"] for leg in legs if Decimal(leg["actual_quote"])} <= orders


def test_the_table_by_month_and_the_breakers_are_those_of_the_run(walked: Walked) -> None:
    document = document_of(walked.record)
    months = document["traded"].values()
    assert sum((Decimal(month["traded_quote"]) for month in months), ZERO) == Decimal(document["costs"]["traded_quote"])
    assert sum(month["executions"] for month in months) == sum(part.trades for part in walked.record.parts.values())


def test_entries_that_a_breaker_holds_back_are_told(tmp_path: Path) -> None:
    schedule = Schedule(START_MS, START_MS + 10 * DAY)
    falling: dict[str, Price] = {s: lambda at: 50.0 * 0.97 ** max(0.0, (at - START_MS) / DAY) for s in SYMBOLS}
    settings = settings_in(tmp_path, 'risk.drawdown_max="0.10"')
    record, _ = run(settings, World(market_of(falling, 10), BOOK), schedule)
    held = document_of(record)["held_back"]["drawdown"]
    assert held["days"] >= 5
    assert held["last"] == "2024-01-11"
    assert record.reconciled
    attended, _ = run(settings, World(market_of(falling, 10), BOOK), replace(schedule, rebase_days=3))
    shorter = document_of(attended)
    assert attended.counts.rebased == 1
    assert shorter["held_back"]["drawdown"]["days"] < held["days"]


def test_a_drawdown_that_cools_down_is_reported_first_with_its_span(tmp_path: Path) -> None:
    schedule = Schedule(START_MS, START_MS + 12 * DAY)
    falling: dict[str, Price] = {s: lambda at: 50.0 * 0.97 ** max(0.0, (at - START_MS) / DAY) for s in SYMBOLS}
    changes = (
        'risk.drawdown_max="0.10"',
        "risk.drawdown_cooldown_days=3",
        'playbook.allocation.de_risk={ "defi.spot" = "0.5" }',
    )
    record, _ = run(settings_in(tmp_path, *changes), World(market_of(falling, 12), BOOK), schedule)
    document = document_of(record)
    first, *_ = stops = document["drawdown_stops"]
    assert first["ended_by"] == "peak_anew"
    assert document["counts"]["rebased"] == sum(1 for stop in stops if stop["ended_by"] == "peak_anew") >= 1
    assert document["held_days"] >= 3
    lines = summary_of(document).splitlines()
    assert lines[0].startswith(f"Breakers stopped entries on {document['held_days']} of 13 days (drawdown on ")
    assert f"drawdown stopped entries {first['from']} → {first['to']}, ended by peak anew" in lines


def test_a_gain_on_spot_that_the_bot_bought_is_hedged_in_a_back_test(tmp_path: Path) -> None:
    """Costs were not handed to the observer: a book that rose sevenfold had no gain hedge for 222 days."""
    schedule = Schedule(START_MS, START_MS + 14 * DAY)
    rising: dict[str, Price] = {s: lambda at: 50.0 * 1.08 ** max(0.0, (at - START_MS) / DAY) for s in SYMBOLS}
    changes = (
        'playbook.gains.hedge="full"',
        'playbook.regime.override="neutral"',
        'playbook.allocation.drift_buffer="0.5"',
    )
    record, orders = run(settings_in(tmp_path, *changes), World(market_of(rising, 14), BOOK), schedule)
    hedges = [order for order in orders if order.purpose is Purpose.HEDGE and order.filled_size > 0]
    assert hedges
    doubled_ms = START_MS + 9 * DAY  # 1.08 ** 9 is 2.0
    assert all(order.sent_ms >= doubled_ms for order in hedges)
    assert record.moments[-1].shorts > 0
    assert record.reconciled


def test_every_trade_costs_its_fee_and_its_side_of_the_spread(walked: Walked) -> None:
    costs = document_of(walked.record)["costs"]
    traded, fees = Decimal(costs["traded_quote"]), Decimal(costs["fees_quote"])
    assert traded > BOOK / 20
    assert traded * Decimal("0.0002") <= fees <= traded * Decimal("0.001") * Decimal("1.01")
    assert Decimal(costs["slippage_quote"]) > 0


def hours_without_a_stop(journal: Path) -> list[str]:
    """Perp positions that have no stop of their size five minutes after a full hour, from the journal's events."""
    reader = JournalReader(journal)
    events = reader.load_events(EVERYTHING, 0, ("order_submitting", "order_event", "fill"))
    reader.close()
    held, stops, found = dict[str, Decimal](), dict[str, Mapping[str, str]](), list[str]()
    due_ms = START_MS + 5 * 60_000
    for event in events:
        while event.at_ms > due_ms:
            for symbol, size in held.items():
                if (
                    all(stop["symbol"] != symbol or Decimal(stop["size"]) < abs(size) for stop in stops.values())
                    and size
                ):
                    found.append(f"{symbol} {size} at {due_ms}")
            due_ms += H
        what = event.payload
        if event.kind == "order_submitting" and what["order"]["order_type"] == "stop":
            stops[what["order"]["client_id"]] = what["order"]
        elif event.kind == "order_event" and what["state"] not in ("submitting", "open", "canceling"):
            stops.pop(what["client_id"], None)
        elif event.kind == "fill" and ":" in what["symbol"]:
            signed = Decimal(what["size"]) * (1 if what["side"] == "buy" else -1)
            held[what["symbol"]] = held.get(what["symbol"], ZERO) + signed
    return found


def test_no_position_waits_an_hour_for_its_stop(tmp_path: Path) -> None:
    """A turn that withdraws a stop beside its trade leaves the new one to the next guard, which the daemon does seconds
    later: eight days of a run of six years ended with `position_unguarded`."""
    settings = settings_in(tmp_path, 'risk.order_notional_max_quote="800"')
    _, orders = run(settings, World(market_of(prices_of(SEED), 2), BOOK), Schedule(START_MS, START_MS + 2 * DAY))
    assert any(":" in order.symbol and order.filled_size > 0 for order in orders)
    assert hours_without_a_stop(settings.journal_path) == []


def test_guards_that_have_nothing_to_guard_change_no_order(tmp_path: Path) -> None:
    lazy, orders = walk(tmp_path / "lazy", prices_of(SEED), days=8)
    eager, others = walk(tmp_path / "eager", prices_of(SEED), days=8, is_lazy=False)
    assert orders == others
    assert lazy.counts.guards < eager.counts.guards
    assert [hour for hour, _ in lazy.hours] == [hour for hour, _ in eager.hours]
    assert [value for _, value in lazy.hours] == pytest.approx([value for _, value in eager.hours], rel=1e-3)


def test_a_token_is_bought_only_after_it_has_been_listed(tmp_path: Path) -> None:
    listed_ms = START_MS + 5 * DAY
    late = path_of(wandering(77, 5.0), listed_ms, 24 * 40, 5e6)
    market = market_of(prices_of(2), more={"COMP/USDT": late})
    schedule = Schedule(START_MS, START_MS + 14 * DAY)
    _, orders = run(
        settings_in(tmp_path, 'playbook.allocation.drift_buffer="0.01"', 'playbook.regime.override="neutral"'),
        World(market, BOOK),
        schedule,
    )
    bought = [order.sent_ms for order in orders if order.symbol == "COMP/USDT"]
    assert bought
    assert min(bought) >= listed_ms


@pytest.mark.slow
def test_the_golden_scenario_gives_the_orders_that_the_demo_gives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start_ms = int(scenarios.SIM_START.timestamp() * 1000)
    changes = ('venue.account="demo"',)
    settings = settings_in(tmp_path / "run", *changes, files=[packaged_config() / "golden.toml"])
    tokens = tokens_of(settings)
    anchors = {token: ANCHORS[token] for token in tokens}
    market = SyntheticMarket(seed=1, start_ms=start_ms, tokens=tokens, scenario="golden", anchor_prices=anchors)
    policy, sectors, book = settings.playbook, settings.universe, settings.paper.book_quote

    def endow(exchange: Exchange) -> None:
        futures = sum(
            (share * book for name, share in policy.allocation.neutral.items() if name.endswith(".futures")), ZERO
        )
        spot = neutral_holdings(exchange, exchange.instruments, policy, sectors, book)
        exchange.create_account("demo", spot=spot, perp=futures)

    sources = (lambda clock: MarketTvl(market, clock)), endow, (lambda clock: MarketMacro(market, clock))
    world = World(market, book, *sources)  # type: ignore[arg-type]
    record, mine = run(settings, world, Schedule(start_ms, start_ms + DAY, decide_ms=4 * H))
    assert run_demo(DemoOptions(as_json=True, directory=tmp_path / "demo")) == 0
    capsys.readouterr()
    reader = JournalReader(tmp_path / "demo" / "journal.db")
    theirs = list(reader.load_orders(EVERYTHING))
    reader.close()
    rotation = record.rotations[1]
    assert (rotation.stance_from, rotation.stance_to) == ("neutral", "into_defi")
    mine = [order for order in mine if not order.order_type.is_trigger]
    theirs = [order for order in theirs if not order.order_type.is_trigger]
    assert _named(mine) == _named(theirs)
    for order, other in zip(_by_id(mine), _by_id(theirs), strict=True):
        assert float(order.filled_quote) == pytest.approx(float(other.filled_quote), rel=0.01, abs=25), order


def _named(orders: Sequence[Order]) -> list[tuple[str, str, str, str]]:
    return sorted((order.client_id, order.purpose.value, order.symbol, order.side.value) for order in orders)


def _by_id(orders: Sequence[Order]) -> list[Order]:
    return sorted(orders, key=lambda order: order.client_id)


def _sent(orders: Sequence[Order], upto_ms: int) -> list[Order]:
    """As they were then: an order that rests may end later."""
    return [order for order in orders if order.sent_ms <= upto_ms and not order.order_type.is_trigger]


@pytest.mark.parametrize(
    ("venues", "spot", "perp"),
    [
        (("venue.id=binance",), ("0.001", "0.001", "5"), ("0.0002", "0.0005", "20")),
        (("venue.id=bybit",), ("0.001", "0.001", "5"), ("0.0002", "0.00055", "5")),
        (("venue.id=binance", "venue.perp.id=bybit"), ("0.001", "0.001", "5"), ("0.0002", "0.00055", "5")),
        (("venue.id=bybit", "venue.perp.id=binance"), ("0.001", "0.001", "5"), ("0.0002", "0.0005", "20")),
    ],
)
def test_a_run_pays_the_fees_of_its_venues_and_keeps_their_least_orders(
    venues: tuple[str, ...], spot: tuple[str, ...], perp: tuple[str, ...]
) -> None:
    symbols = ("ETH/USDT", "ETH/USDT:USDT")
    market = ReplayMarket({s: path_of(lambda at: 3_000.0, START_MS - DAY, 24 * 2, 5e6) for s in symbols})
    grid = PriceGrid(market, symbols, START_MS, load_settings((), venues))
    for symbol, expected in zip(symbols, (spot, perp), strict=True):
        made = grid.instruments[symbol]
        assert (made.maker_fee, made.taker_fee, made.notional_min) == tuple(map(Decimal, expected))


def test_a_grid_follows_a_price_down_and_never_becomes_coarser() -> None:
    prices: dict[str, Price] = {"CRV/USDT": lambda at: 20.0 * 0.5 ** max(0, (at - START_MS) // (5 * DAY))}
    market = ReplayMarket({s: path_of(p, START_MS - DAY, 24 * 60, 5e6) for s, p in prices.items()})
    grid = PriceGrid(market, ("CRV/USDT",), START_MS, load_settings((), ()))
    first = grid.instruments["CRV/USDT"]
    exchange = Exchange(instruments=grid.instruments, market=market, start_ms=START_MS)
    for day in range(0, 40, 5):
        exchange.advance(START_MS + day * DAY)
        grid.refit(exchange)
    last = exchange.instruments["CRV/USDT"]
    assert last.price_tick < first.price_tick
    assert last.size_step <= first.size_step


@pytest.mark.slow
def test_gains_are_hedged_at_what_spot_has_cost(tmp_path: Path) -> None:
    """The run's own purchases are the cost basis: without it the setting changed nothing, silently."""
    days = 12
    rising: dict[str, Price] = {
        symbol: (lambda at, slope=0.02 + 0.002 * n: 50 * math.exp(slope * max(0, at - START_MS) / DAY))
        for n, symbol in enumerate(SYMBOLS)
    }
    runs = {}
    for choice in ("off", "full"):
        changes = (
            f"playbook.gains.hedge={choice}",
            "playbook.gains.trigger=0.10",
            "playbook.regime.override=breakout",
        )
        settings = settings_in(tmp_path / choice, *changes)
        schedule = Schedule(START_MS, START_MS + days * DAY)
        runs[choice] = run(settings, World(market_of(rising, days), BOOK), schedule)
    (without, plain), (hedged, orders) = runs["off"], runs["full"]
    assert any(order.purpose is Purpose.HEDGE for order in orders if order not in plain)
    assert hedged.moments[-1].equity < without.moments[-1].equity, "a hedge of what rises costs"
