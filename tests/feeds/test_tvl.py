"""TVL over a loopback server: parsing, sums, age, refusal of nonsense, and not asking too often."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.domain.durations import DAY_MS
from bot.domain.market import Tvl
from bot.feeds.daily_series import DailyRules
from bot.feeds.tvl import DefiLlamaTvl, parse_tvl
from bot.ports import Unavailable
from tests.feeds.static_sources import StaticTvl

NO_SERIES = ["<html>busy</html>", "[]", '{"tvl": null}', '[{"date": 1}]', '[{"date": 1, "tvl": NaN}]', "[3]"]
TODAY = 1_700_006_400_000 - 1_700_006_400_000 % DAY_MS
PARTS = {"defi": ("protocol:uniswap", "protocol:aave-v3"), "infra": ("chain:OP Mainnet",), "total": ("all",)}


def readings(*values: Any, key: str = "tvl", until_ms: int = TODAY) -> list[dict[str, Any]]:
    first = until_ms // 1000 - (len(values) - 1) * 86_400
    return [{"date": first + n * 86_400, key: value} for n, value in enumerate(values)]


@dataclass
class Llama:
    """A loopback server that answers from a table of path to (status, body)."""

    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    now_ms: int = TODAY + 3_600_000
    base_url: str = ""
    session: aiohttp.ClientSession | None = None

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        status, body = self.answers.get(request.path, (404, "{}"))
        return web.Response(status=status, text=body, headers={"Location": "http://127.0.0.1:1/"})

    def say(self, path: str, body: Any, status: int = 200) -> None:
        self.answers[path] = (status, body if isinstance(body, str) else json.dumps(body))

    def source(self, **rules: Any) -> DefiLlamaTvl:
        def session() -> aiohttp.ClientSession:
            assert self.session is not None
            return self.session

        return DefiLlamaTvl(PARTS, session, lambda: self.now_ms, base_url=self.base_url, rules=DailyRules(**rules))


@pytest.fixture
async def llama() -> AsyncIterator[Llama]:
    world = Llama()
    app = web.Application()
    app.router.add_get("/{rest:.*}", world.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    world.base_url = f"http://{host}:{port}"
    world.session = aiohttp.ClientSession()
    world.say("/protocol/uniswap", {"tvl": readings(1.5, 2.5, key="totalLiquidityUSD")})
    world.say("/protocol/aave-v3", {"tvl": readings(9, 10, 20, key="totalLiquidityUSD")})
    world.say("/v2/historicalChainTvl/OP Mainnet", readings(7, 8))
    world.say("/v2/historicalChainTvl", readings(100, 110))
    yield world
    await world.session.close()
    await runner.cleanup()


async def test_a_sector_is_the_sum_of_its_parts_on_the_days_all_of_them_know(llama: Llama) -> None:
    found = await llama.source().fetch_tvl(["defi", "infra", "total"])
    assert found["defi"] == Tvl("defi", (TODAY - DAY_MS, TODAY), (Decimal("11.5"), Decimal("22.5")))
    assert found["infra"].values_quote == (7, 8)
    assert found["total"].values_quote == (100, 110)


async def test_it_asks_again_only_after_the_refresh_time(llama: Llama) -> None:
    source = llama.source(refresh_ms=1_000)
    await source.fetch_tvl(["infra"])
    await source.fetch_tvl(["infra"])
    assert len(llama.asked) == 1
    llama.now_ms += 1_000
    await source.fetch_tvl(["infra"])
    assert len(llama.asked) == 2


async def test_a_failure_is_not_repeated_at_once_and_keeps_what_is_known(llama: Llama) -> None:
    source = llama.source(refresh_ms=1_000, retry_ms=5_000)
    await source.fetch_tvl(["infra"])
    llama.say("/v2/historicalChainTvl/OP Mainnet", "<html>", 503)
    for step_ms in (1_000, 1_000, 1_000):
        llama.now_ms += step_ms
        assert (await source.fetch_tvl(["infra"]))["infra"].values_quote == (7, 8)
    assert len(llama.asked) == 2


async def test_an_old_series_is_missing(llama: Llama) -> None:
    source = llama.source(refresh_ms=10 * DAY_MS)
    await source.fetch_tvl(["infra"])
    llama.now_ms = TODAY + 2 * DAY_MS
    assert await source.fetch_tvl(["infra"])
    llama.now_ms += 1
    with pytest.raises(Unavailable, match="too old"):
        await source.fetch_tvl(["infra"])


async def test_one_part_that_fails_makes_its_sector_missing_and_no_other(llama: Llama) -> None:
    llama.say("/protocol/uniswap", "not found", 404)
    assert list(await llama.source().fetch_tvl(["defi", "infra"])) == ["infra"]


@pytest.mark.parametrize("body", NO_SERIES)
async def test_an_answer_that_is_no_series_says_why(llama: Llama, body: str) -> None:
    llama.say("/v2/historicalChainTvl", body)
    with pytest.raises(Unavailable, match="all: "):
        await llama.source().fetch_tvl(["total"])


async def test_redirects_are_not_followed(llama: Llama) -> None:
    llama.say("/v2/historicalChainTvl", "", 302)
    with pytest.raises(Unavailable, match="status 302"):
        await llama.source().fetch_tvl(["total"])


async def test_an_unknown_name_is_unavailable_only_when_nothing_else_was_asked(llama: Llama) -> None:
    assert list(await llama.source().fetch_tvl(["total", "moon"])) == ["total"]
    with pytest.raises(Unavailable, match="moon: no source is configured"):
        await llama.source().fetch_tvl(["moon"])


def test_only_the_newest_days_are_kept_and_the_last_reading_of_a_day_counts() -> None:
    rows = [*readings(1, 2, 3), {"date": TODAY // 1000 + 3600, "tvl": 4}]
    assert parse_tvl(json.dumps(rows), 2, TODAY + DAY_MS).values == {TODAY - DAY_MS: 2, TODAY: 4}


def test_digits_survive() -> None:
    found = parse_tvl('[{"date": 86400, "tvl": 12345678901.123456789}]', 5, TODAY)
    assert found.values == {DAY_MS: Decimal("12345678901.123456789")}


def test_a_negative_value_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        parse_tvl('[{"date": 86400, "tvl": -1}]', 5, TODAY)


def test_a_part_that_cannot_be_asked_for_is_refused_when_built() -> None:
    with pytest.raises(ValueError, match="'pool:x': use protocol"):
        DefiLlamaTvl({"defi": ("pool:x",)}, aiohttp.ClientSession, lambda: 0)


async def test_a_static_source_gives_what_it_was_given() -> None:
    series = Tvl("defi", (1,), (Decimal(5),))
    assert await StaticTvl({"defi": series}).fetch_tvl(["defi", "infra"]) == {"defi": series}
