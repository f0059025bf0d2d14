"""Recorded candles: what is there, from when, until when; and no look into the future."""

from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.instrument import Side
from bot.domain.order import OrderType
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.types import NewOrder, OrderStatus
from bot.simex.market.path import CandlePath
from bot.simex.market.replay import ReplayMarket, filled_from, longest_stretch
from tests.simex.engine.floor import PERP, SPOT, instrument

H, DAY = 3_600_000, 86_400_000


def candles(count: int, first: int = 0, price: float = 10.0, volume: float = 1e5) -> CandlePath:
    starts = [(first + at) * H for at in range(count)]
    closes = [price + at * 0.01 for at in range(count)]
    opens = [close - 0.01 for close in closes]
    return CandlePath(H, starts, opens, [c + 0.05 for c in closes], [o - 0.05 for o in opens], closes, [volume] * count)


def floor_of(market: ReplayMarket, start_ms: int = 0) -> Exchange:
    venue = Exchange(instruments={s: instrument(s) for s in market.symbols}, market=market, start_ms=start_ms)
    venue.create_account("a", spot={"USDT": Decimal(10_000)}, perp=Decimal(10_000))
    return venue


def test_a_perp_without_candles_follows_its_spot_symbol() -> None:
    market = ReplayMarket({SPOT: candles(48)}, perps=[PERP])
    assert market.at(PERP, 5 * H).mid == market.at(SPOT, 5 * H).mid
    own = ReplayMarket({SPOT: candles(48), PERP: candles(48, price=10.1)})
    point = own.at(PERP, 5 * H)
    assert point.mid - point.index == pytest.approx(0.1)
    with pytest.raises(ValueError, match="no spot symbol"):
        ReplayMarket({}, perps=[PERP])


def test_a_symbol_is_there_from_its_first_candle_to_the_end_of_its_last() -> None:
    venue = floor_of(ReplayMarket({SPOT: candles(48), PERP: candles(10, first=5)}))

    def is_taken() -> bool:
        try:
            venue.check("a", NewOrder(PERP, Side.BUY, OrderType.MARKET, size=Decimal(10)))
        except Refusal as refusal:
            return refusal.reason is not RefusalReason.MARKET_CLOSED
        return True

    seen = []
    for hour in (0, 4, 5, 14, 15, 20):
        venue.advance(hour * H)
        seen.append((is_taken(), venue.instruments[PERP].active))
    assert seen == [(False,) * 2, (False,) * 2, (True,) * 2, (True,) * 2, (False,) * 2, (False,) * 2]


def test_what_is_held_when_a_symbol_ends_is_settled() -> None:
    venue = floor_of(ReplayMarket({SPOT: candles(48), PERP: candles(10)}))
    venue.place("a", NewOrder(PERP, Side.BUY, OrderType.MARKET, size=Decimal(10)))
    order = venue.place("a", NewOrder(SPOT, Side.BUY, OrderType.LIMIT, size=Decimal(10), price=Decimal(5)))
    venue.advance(20 * H)
    assert venue.positions("a") == ()
    assert venue.open_orders("a") == (order,)
    venue.advance(60 * H)
    assert venue.order("a", SPOT, order_id=order.id).status is OrderStatus.EXPIRED
    venue.audit()


def test_time_only_moves_forward_and_steps_do_not_change_what_is_seen() -> None:
    coarse, fine = (floor_of(ReplayMarket({SPOT: candles(48), PERP: candles(48)})) for _ in range(2))
    coarse.advance(30 * H)
    for step in range(0, 30 * H + 1, H // 7):
        fine.advance(step)
        assert fine.now_ms == step
    fine.advance(30 * H)
    fine.advance(2 * H)
    assert fine.now_ms == 30 * H
    assert fine.quote(SPOT) == coarse.quote(SPOT)
    assert fine.candles(SPOT, H, 0, 30 * H, 100) == coarse.candles(SPOT, H, 0, 30 * H, 100)


def test_expected_funding_is_what_was_settled_last_and_the_interval_follows_the_record() -> None:
    events = [(8 * H, 0.0001), (16 * H, 0.0002), (20 * H, 0.0003), (24 * H, 0.0004)]
    venue = floor_of(ReplayMarket({SPOT: candles(48), PERP: candles(48)}, funding={PERP: events}))
    seen = []
    for hour in (1, 9, 17, 21):
        venue.advance(hour * H)
        terms = venue.funding(PERP)
        seen.append((terms.rate, terms.interval_hours, terms.next_ms // H))
    assert seen == [
        (Decimal(0), 8, 8),
        (Decimal("0.0001"), 8, 16),
        (Decimal("0.0002"), 8, 20),
        (Decimal("0.0003"), 4, 24),
    ]


def test_depth_comes_from_the_day_before() -> None:
    path = candles(96)
    path.volumes[24:48] = [1e7] * 24
    market = ReplayMarket({SPOT: path})
    depths = [market.at(SPOT, day * DAY + H).depth_quote for day in range(4)]
    assert depths[0] == depths[1] == depths[3] < depths[2]
    assert market.at(SPOT, DAY + H).spread > market.at(SPOT, 2 * DAY + H).spread


def test_open_interest_and_tvl_are_the_last_known() -> None:
    market = ReplayMarket(
        {SPOT: candles(48), PERP: candles(48)},
        interest={PERP: [(H, 5e6), (30 * H, 6e6)]},
        tvl={"total": [(0, 1e9), (DAY, 2e9)]},
    )
    assert [market.open_interest(PERP, at * H) for at in (0, 2, 31)] == [None, 5e6, 6e6]
    assert market.tvl("total", 0, DAY).values_quote == (10**9, 2 * 10**9)
    venue = floor_of(market)
    with pytest.raises(Refusal):
        venue.open_interest(PERP)


def test_holes_are_cut_out_or_filled_from_spot() -> None:
    path = candles(10)
    for column in (path.starts, path.opens, path.highs, path.lows, path.closes, path.volumes):
        del column[2:6]
    assert longest_stretch(path, 2 * H).starts == [at * H for at in range(6, 10)]
    assert longest_stretch(path, 9 * H).starts == path.starts
    spot = candles(12, price=20.0)
    filled = filled_from(path, spot, 0, 10 * H)
    assert filled.starts == [at * H for at in range(11)]
    assert (filled.closes[1], filled.closes[3]) == (path.closes[1], spot.closes[3])


def test_candles_out_of_order_are_refused() -> None:
    path = candles(3)
    path.starts.reverse()
    with pytest.raises(ValueError, match="ascending"):
        ReplayMarket({SPOT: path})


def test_a_folder_of_parquet_tables_becomes_a_market(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    from bot.simex.market.parquet import MarketFolderError, load_market

    rows = {
        "ts": [at * H for at in range(48)] * 2,
        "symbol": ["UNI/USDT"] * 48 + ["OLD/USDT"] * 48,
        **{name: [10.0] * 96 for name in ("open", "high", "low", "close")},
        "volume": [100.0] * 96,
    }
    with pytest.raises(MarketFolderError, match="ohlcv_1h"):
        load_market(tmp_path, ["UNI"], start_ms=0, end_ms=DAY)
    pq.write_table(pa.table(rows), tmp_path / "ohlcv_1h.parquet")
    funding = {"ts": [8 * H], "symbol": ["UNI/USDT:USDT"], "funding_rate": [0.0001]}
    pq.write_table(pa.table(funding), tmp_path / "funding_8h.parquet")
    tvl = {"ts": [4 * H], "scope": ["total"], "name": ["all_defi"], "tvl_usd": [1e9], "provider": ["defillama"]}
    pq.write_table(pa.table(tvl), tmp_path / "tvl_daily.parquet")
    market = load_market(tmp_path, ["UNI", "AAVE"], start_ms=2 * H, end_ms=DAY)
    assert market.symbols == ("UNI/USDT", "UNI/USDT:USDT")
    assert market.listed("UNI/USDT") == (2 * H, DAY)
    assert market.candles("UNI/USDT", H, 0, DAY, 1, "last", 10 * H).volumes_quote == (0.0,)
    assert market.tvl("total", 0, DAY).values_quote == (10**9,)
    with pytest.raises(MarketFolderError, match="no candles"):
        load_market(tmp_path, ["AAVE"], start_ms=0, end_ms=DAY)


def test_recorded_history_replays(shared: Path) -> None:
    pytest.importorskip("pyarrow")
    from bot.simex.market.parquet import load_market

    start_ms = 1_714_521_600_000
    market = load_market(
        shared / "data", ["ETH", "UNI", "AAVE"], start_ms=start_ms - 20 * DAY, end_ms=start_ms + 20 * DAY
    )
    venue = floor_of(market, start_ms)
    venue.place("a", NewOrder("UNI/USDT:USDT", Side.BUY, OrderType.MARKET, size=Decimal(100)))
    for hour in range(1, 10 * 24):
        venue.advance(start_ms + hour * H)
    assert len(venue.income("a")) >= 10
    assert len(venue.candles("ETH/USDT", H, 0, venue.now_ms, 1_000)) > 480
    venue.audit()
