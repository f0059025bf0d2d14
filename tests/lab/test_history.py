"""What a directory of tables becomes: nothing invented, nothing known before its time."""

from decimal import Decimal
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

import pyarrow as pa
import pyarrow.parquet as pq

from bot.lab.backtest.history import HistoryProblem, HistoryWindow, RecordedTvl, load_history
from bot.lab.backtest.virtual_time import VirtualClock
from bot.playbook.policy.numbers import Sector, Sectors
from tests.lab.markets import DAY, START_MS, H, path_of, rows_of, wandering, write_history, write_table

SECTORS = Sectors(
    sectors={"defi": Sector(hedge=("UNI",)), "infra": Sector()},
    tokens={"UNI": {"defi": Decimal(1)}, "ETH": {"infra": Decimal(1)}},
)
WINDOW = HistoryWindow(START_MS, START_MS + 5 * DAY, 2 * DAY)
UNI, ETH, BTC = "UNI/USDT", "ETH/USDT", "BTC/USDT"


def load(folder: Path, window: HistoryWindow = WINDOW):  # type: ignore[no-untyped-def]
    return load_history(folder, SECTORS, window, market_symbol=BTC, tvl_parts={"defi": ("all",)})


def test_hours_come_as_they_are_and_tokens_enter_when_they_are_listed(tmp_path: Path) -> None:
    prices = {ETH: wandering(1, 100.0), BTC: wandering(2, 1000.0)}
    write_history(tmp_path, prices, START_MS - 2 * DAY, 24 * 9)
    late = START_MS + 3 * DAY
    rows = {symbol: rows_of(path_of(price, START_MS - 2 * DAY, 24 * 9)) for symbol, price in prices.items()}
    rows[UNI] = rows_of(path_of(wandering(3, 5.0), late, 24 * 4))
    write_table(tmp_path / "ohlcv_1h.parquet", rows)
    found = load(tmp_path)
    assert found.market.at(ETH, START_MS + 7 * H).mid == pytest.approx(prices[ETH](START_MS + 7 * H))
    assert found.listed[UNI][0] == late
    assert found.absent == ()
    assert found.drawn == {BTC: 0, ETH: 0, UNI: 0}


def test_a_day_without_hours_is_drawn_from_its_own_candle_and_counted(tmp_path: Path) -> None:
    hours = rows_of(path_of(lambda _: 100.0, START_MS - DAY, 24))
    write_table(tmp_path / "ohlcv_1h.parquet", {ETH: hours})
    days = [(START_MS - DAY, 1.0, 1.0, 1.0, 1.0, 1.0), (START_MS, 100.0, 130.0, 90.0, 120.0, 24_000.0)]
    write_table(tmp_path / "ohlcv_1d.parquet", {ETH: days})
    found = load(tmp_path)
    series = found.market.candles(ETH, DAY, START_MS - DAY, START_MS, 10, "last", START_MS + 10 * DAY)
    assert series.closes == pytest.approx((100.0, 120.0)), "an hourly candle outranks a daily one"
    assert (series.opens[1], series.highs[1], series.lows[1]) == pytest.approx((100.0, 130.0, 90.0))
    assert found.drawn[ETH] == 24
    assert found.market.at(ETH, START_MS + 8 * H).mid == pytest.approx(90.0), "a rising day goes down first"


def test_a_perp_begins_with_its_first_sign_of_life_and_follows_spot_where_it_has_no_candle(tmp_path: Path) -> None:
    prices = {UNI: wandering(1, 5.0), ETH: wandering(2, 100.0), BTC: wandering(4, 1000.0)}
    write_history(tmp_path, prices, START_MS - 2 * DAY, 24 * 9)
    perp = "UNI/USDT:USDT"
    own = path_of(lambda at: prices[UNI](at) * 1.01, START_MS + 2 * DAY, 24)
    write_table(tmp_path / "perp_ohlcv_1h.parquet", {perp: rows_of(own)})
    paid = {"ts": [START_MS + DAY, START_MS + DAY + 8 * H], "symbol": [perp] * 2, "funding_rate": [0.0001, 0.0002]}
    pq.write_table(pa.table(paid), tmp_path / "funding_8h.parquet")
    market = load(tmp_path).market
    assert market.listed(perp)[0] == START_MS + DAY
    at_ms = START_MS + DAY + 5 * H
    assert market.at(perp, at_ms).mid == market.at(UNI, at_ms).mid
    assert market.at(perp, START_MS + 2 * DAY + H).mid == pytest.approx(prices[UNI](START_MS + 2 * DAY + H) * 1.01)
    rates = [rate for _, rate in market.funding_events(perp, START_MS, START_MS + 3 * DAY)]
    assert rates == [0.0001, 0.0002]


async def test_a_days_tvl_is_known_when_the_day_is_over_and_half_a_sum_is_none() -> None:
    days = [(START_MS + day * DAY, 100.0 + day) for day in range(5)]
    clock = VirtualClock(START_MS + 2 * DAY + H)
    source = RecordedTvl(
        {"all": days, "chain:ethereum": days}, {"defi": ["all"], "infra": ["chain:Ethereum", "chain:Solana"]}
    )
    found = await source.at(clock).fetch_tvl(["defi", "infra"])
    assert list(found) == ["defi"]
    assert [int(value) for value in found["defi"].values_quote] == [100, 101]
    late = await source.at(VirtualClock(START_MS + 20 * DAY)).fetch_tvl(["defi"])
    assert late == {}, "an old value is no value"


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda folder: folder.rmdir(), "there is no such directory"),
        (lambda folder: None, "neither ohlcv_1h.parquet nor ohlcv_1d.parquet"),
        (
            lambda folder: write_history(folder, {ETH: wandering(1, 9.0)}, START_MS - 300 * DAY, 24),
            "none of BTC/USDT, UNI/USDT, ETH/USDT has a candle",
        ),
        (
            lambda folder: pq.write_table(pa.table({"ts": [1], "symbol": [ETH]}), folder / "ohlcv_1h.parquet"),
            "has no column 'open'",
        ),
        (lambda folder: (folder / "ohlcv_1h.parquet").write_text("ts,symbol"), "cannot be read as a table"),
    ],
)
def test_a_directory_that_cannot_be_used_is_one_clear_error(tmp_path: Path, prepare, words: str) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "candles"
    folder.mkdir()
    prepare(folder)
    with pytest.raises(HistoryProblem, match=words) as problem:
        load(folder)
    assert str(folder) in str(problem.value)


def test_a_perp_by_the_thousand_follows_a_thousand_tokens_of_its_spot(tmp_path: Path) -> None:
    prices = {"PEPE/USDT": wandering(1, 0.00001), ETH: wandering(2, 100.0), BTC: wandering(4, 1000.0)}
    write_history(tmp_path, prices, START_MS - 2 * DAY, 24 * 9)
    perp = "1000PEPE/USDT:USDT"
    own = path_of(lambda at: prices["PEPE/USDT"](at) * 1010, START_MS + 2 * DAY, 24)
    write_table(tmp_path / "perp_ohlcv_1h.parquet", {perp: rows_of(own)})
    paid = {"ts": [START_MS + DAY], "symbol": [perp], "funding_rate": [0.0001]}
    pq.write_table(pa.table(paid), tmp_path / "funding_8h.parquet")
    sectors = Sectors(
        sectors={"defi": Sector(hedge=("PEPE",)), "infra": Sector()},
        tokens={"PEPE": {"defi": Decimal(1)}, "ETH": {"infra": Decimal(1)}},
        perps={"PEPE": perp},
    )
    market = load_history(tmp_path, sectors, WINDOW, market_symbol=BTC, tvl_parts={}).market
    at_ms = START_MS + DAY + 5 * H
    assert market.at(perp, at_ms).mid == pytest.approx(1000 * market.at("PEPE/USDT", at_ms).mid)
    later = market.at(perp, START_MS + 2 * DAY + H)
    assert later.mark == pytest.approx(later.index * 1.01), "the index is a thousand tokens of spot"


def renamed(folder: Path) -> tuple[Path, Sectors]:
    """A token that was OLD till the third day, when each OLD became 24,000 NEW, after a pause of a day."""
    price = wandering(1, 1500.0)
    prices = {ETH: wandering(2, 100.0), BTC: wandering(3, 1000.0)}
    rows = {symbol: rows_of(path_of(one, START_MS - 2 * DAY, 24 * 9)) for symbol, one in prices.items()}
    rows["OLD/USDT"] = rows_of(path_of(price, START_MS - 2 * DAY, 24 * 4))
    rows["NEW/USDT"] = rows_of(path_of(lambda at: price(at) / 24_000, START_MS + 3 * DAY, 24 * 4))
    write_table(folder / "ohlcv_1h.parquet", rows)
    settled = {"OLD/USDT:USDT": START_MS - 2 * DAY, "NEW/USDT:USDT": START_MS + 3 * DAY}
    paid = {"ts": list(settled.values()), "symbol": list(settled), "funding_rate": [0.0001, 0.0001]}
    pq.write_table(pa.table(paid), folder / "funding_8h.parquet")
    content = {
        "sectors": {"defi": {"hedge": ["NEW"]}, "infra": {}},
        "tokens": {"NEW": {"defi": 1}, "ETH": {"infra": 1}},
        "renames": {"NEW": [{"was": "OLD", "at": "2024-01-04", "ratio": 24_000}]},
    }
    return folder, Sectors.model_validate(content)


def test_candles_and_funding_of_a_former_name_are_joined_in_units_of_today(tmp_path: Path) -> None:
    folder, sectors = renamed(tmp_path)
    found = load_history(folder, sectors, WINDOW, market_symbol=BTC, tvl_parts={})
    market, end_ms = found.market, START_MS + 6 * DAY
    series = market.candles("NEW/USDT", H, START_MS - 2 * DAY, end_ms, 10_000, "last", end_ms)
    price = wandering(1, 1500.0)
    before = [close for at, close in zip(series.starts_ms, series.closes, strict=True) if at < START_MS + 2 * DAY]
    assert before == pytest.approx([price(START_MS - 2 * DAY + n * H) / 24_000 for n in range(1, 97)])
    assert found.listed["NEW/USDT"] == found.listed[ETH]
    assert found.absent == ()
    assert found.cut == {}
    perp = "NEW/USDT:USDT"
    assert market.listed(perp)[0] == START_MS - 2 * DAY, "the hedge was there under the former name"
    paid = market.funding_events(perp, START_MS - 3 * DAY, end_ms)
    assert [at for at, _ in paid] == [START_MS - 2 * DAY, START_MS + 3 * DAY]


def test_a_former_name_that_is_a_token_of_the_list_too_is_counted_once(tmp_path: Path) -> None:
    folder, sectors = renamed(tmp_path)
    both = sectors.model_copy(update={"tokens": {**sectors.tokens, "OLD": {"defi": Decimal(1)}}})
    found = load_history(folder, both, WINDOW, market_symbol=BTC, tvl_parts={})
    assert "OLD/USDT" not in found.market.symbols
    assert "OLD/USDT" not in found.absent


@pytest.mark.parametrize("told", [True, False])
def test_a_ticker_that_came_back_as_another_asset_enters_as_a_new_token(told: bool, tmp_path: Path) -> None:
    back_ms = START_MS + 2 * DAY
    fallen = rows_of(path_of(lambda _: 0.0001, START_MS - 30 * DAY, 24 * 14))
    reborn = rows_of(path_of(wandering(5, 10.0), back_ms, 24 * 4))
    prices = {symbol: rows_of(path_of(wandering(2, 100.0), START_MS - 30 * DAY, 24 * 37)) for symbol in (ETH, BTC)}
    write_table(tmp_path / "ohlcv_1h.parquet", {"LUNA/USDT": fallen + reborn, **prices})
    content = {
        "sectors": {"defi": {}, "infra": {}},
        "tokens": {"LUNA": {"defi": 1}, "ETH": {"infra": 1}},
        **({"listed": {"LUNA": "2024-01-03"}, "listing_gap_days": 0} if told else {}),
    }
    sectors, window = Sectors.model_validate(content), HistoryWindow(START_MS, START_MS + 5 * DAY, 30 * DAY)
    found = load_history(tmp_path, sectors, window, market_symbol=BTC, tvl_parts={})
    assert found.listed["LUNA/USDT"][0] == back_ms
    assert found.cut == ({} if told else {"LUNA/USDT": back_ms})
    before = HistoryWindow(START_MS - 25 * DAY, START_MS - 20 * DAY, 5 * DAY)
    if not told:
        older = load_history(tmp_path, sectors, before, market_symbol=BTC, tvl_parts={})
        assert older.listed["LUNA/USDT"][0] == START_MS - 30 * DAY, "what comes later is not known yet"


def test_funding_of_two_exchanges_is_that_of_the_one_with_most_rows(tmp_path: Path) -> None:
    prices = {UNI: wandering(3, 10.0), ETH: wandering(2, 100.0), BTC: wandering(4, 1000.0)}
    write_history(tmp_path, prices, START_MS - 2 * DAY, 24 * 9)
    times = [START_MS + DAY, START_MS + DAY + 8 * H, START_MS + DAY + 16 * H]
    paid = {
        "ts": [*times, *times[:2]],
        "symbol": ["UNI/USDT:USDT"] * 5,
        "exchange": ["binance"] * 3 + ["bybit"] * 2,
        "funding_rate": [0.0001] * 3 + [0.0009] * 2,
    }
    pq.write_table(pa.table(paid), tmp_path / "funding_8h.parquet")
    events = load(tmp_path).market.funding_events("UNI/USDT:USDT", START_MS, START_MS + 3 * DAY)
    assert [rate for _, rate in events] == [0.0001] * 3
