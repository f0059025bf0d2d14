"""One bad row of a daily series costs that row: TVL, stablecoins and the operator's files, table by table."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.domain.durations import DAY_MS
from bot.domain.market import Missing
from bot.feeds.concurrent_fetch import gather_all
from bot.feeds.macro import SeriesFile, SeriesFiles
from bot.feeds.stablecoins import parse_supply
from bot.feeds.tvl import parse_tvl
from tests.feeds.test_tvl import TODAY, Llama, llama, readings

__all__ = ["llama"]
NOW = TODAY + 3_600_000
BAD_VALUES = (-1, None, "x", "NaN", float("nan"), float("inf"), [], {}, True)


def spoiled_rows(spoil: Any, place: int) -> list[Any]:
    rows: list[Any] = readings(1, 2, 3, 4, 5)
    rows[place] = spoil(rows[place])
    return rows


ROWS = [
    *(lambda row, value=value: row | {"tvl": value} for value in (*BAD_VALUES, 0)),
    lambda row: {"date": row["date"]},
    lambda row: {"tvl": row["tvl"]},
    lambda row: row | {"date": None},
    lambda row: row | {"date": "soon"},
    lambda row: row | {"date": row["date"] * 1000},
    lambda row: row | {"date": -5},
    lambda _: None,
    lambda _: 7,
    lambda _: "row",
]


@pytest.mark.parametrize("place", [1, 2, 3])
@pytest.mark.parametrize("spoil", ROWS)
def test_a_bad_tvl_row_costs_its_day_and_is_named(spoil: Any, place: int) -> None:
    found = parse_tvl(json.dumps(spoiled_rows(spoil, place)), 400, NOW)
    assert sorted(found.values.values()) == [n for n in range(1, 6) if n != place + 1]
    assert found.left_out is not None
    assert found.left_out.startswith("1 of its rows left out: ")


@pytest.mark.parametrize("value", BAD_VALUES)
def test_a_bad_row_of_stablecoins_costs_its_day_and_is_named(value: Any) -> None:
    rows = [{"date": day * 86_400, "totalCirculatingUSD": {"peggedUSD": day, "peggedEUR": 0}} for day in range(1, 6)]
    rows[2]["totalCirculatingUSD"] = {"peggedUSD": value, "peggedEUR": 0}  # type: ignore[dict-item]
    found = parse_supply(json.dumps(rows), 400, NOW)
    assert [day // DAY_MS for day in found.values] == [1, 2, 4, 5]
    assert found.left_out is not None


def test_rows_in_any_order_and_twice_are_read_by_their_time() -> None:
    rows = readings(1, 2, 3)
    again = {"date": rows[1]["date"] + 7200, "tvl": 9}
    assert parse_tvl(json.dumps([rows[2], again, rows[0], rows[1]]), 400, NOW).values == {
        TODAY - 2 * DAY_MS: 1,
        TODAY - DAY_MS: 9,
        TODAY: 3,
    }


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ((0, 0, 1, 2), (0, 0, 1, 2)),
        ((1, 0, 2, 3), (1, 2, 3)),
        ((1, 2, 0), (1, 2)),
        ((1, *[0] * 7), (1, *[0] * 7)),
        ((1, *[0] * 6), (1,)),
        ((0, 0, 0), (0, 0, 0)),
    ],
)
def test_a_zero_is_believed_at_the_start_or_once_it_has_lasted(values: tuple[int, ...], kept: tuple[int, ...]) -> None:
    assert tuple(parse_tvl(json.dumps(readings(*values)), 400, NOW).values.values()) == kept


async def test_a_bad_day_is_left_out_of_the_sum_and_said(llama: Llama) -> None:
    llama.say("/protocol/aave-v3", {"tvl": readings(9, -1, 10, 20, key="totalLiquidityUSD")})
    llama.say("/protocol/uniswap", {"tvl": readings(1, 1, 2, 3, key="totalLiquidityUSD")})
    found, missing = await gather_all("tvl", ["defi"], llama.source().fetch_tvl, deadline_ms=5_000)
    assert found["defi"].values_quote == (10, 12, 23)
    assert [part.what for part in missing] == ["part of tvl defi"]
    assert "protocol:aave-v3: 1 of its rows left out: a TVL reading is -1" in missing[0].why


async def test_one_protocol_of_three_that_fails_is_left_out_of_the_whole_sum(llama: Llama) -> None:
    source = llama.source()
    source._parts["defi"] = ("protocol:uniswap", "protocol:aave-v3", "chain:OP Mainnet")
    source._paths["chain:OP Mainnet"] = "/v2/historicalChainTvl/OP Mainnet"
    llama.say("/protocol/uniswap", "not found", 404)
    found, missing = await gather_all("tvl", ["defi"], source.fetch_tvl, deadline_ms=5_000)
    assert found["defi"].values_quote == (17, 28)
    assert missing == (Missing("part of tvl defi", "without protocol:uniswap: protocol:uniswap: status 404"),)


@pytest.mark.parametrize("line", ["soon,4", "2026-01-02,4,5", "2062-01-02,4", "2026-01-02,NaN"])
async def test_a_bad_line_of_a_file_costs_its_line_while_the_bot_runs(tmp_path: Path, line: str) -> None:
    path = tmp_path / "rates.csv"
    path.write_text(f"date,value\n2026-01-01,1\n{line}\n2026-01-03,3\n", encoding="utf-8")
    source = SeriesFiles({"rates": SeriesFile(path, "rates", "percent", 45 * DAY_MS)}, lambda: 1_768_000_000_000)
    assert (await source.fetch_macro("rates")).values == (Decimal(1), Decimal(3))
    assert ":3: " in source.notes["rates"] or ":4: " in source.notes["rates"]
    path.write_text("date,value\n2026-01-01,1\n2026-01-03,3\n", encoding="utf-8")
    await source.fetch_macro("rates")
    assert source.notes == {}
