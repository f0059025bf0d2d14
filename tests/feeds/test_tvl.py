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


def amounts(*rows: dict[str, Any], until_ms: int = TODAY) -> list[dict[str, Any]]:
    return [{"date": row["date"], "tokens": row["tokens"]} for row in readings(*rows, key="tokens", until_ms=until_ms)]


def protocol(values: list[float], tokens: list[dict[str, Any]], worth: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer about a protocol, as far as it is read."""
    tvl = readings(*values, key="totalLiquidityUSD")
    return {"name": "Uniswap", "tvl": tvl, "tokens": amounts(*tokens), "tokensInUsd": amounts(*worth)}


TWO_DAYS = protocol(
    [100, 230],
    [{"UNI": 10, "USDC": 0.5}, {"UNI": 11, "USDC": 10}],
    [{"UNI": 99.5, "USDC": 0.5}, {"UNI": 220, "USDC": 10}],
)


async def test_amounts_of_tokens_count_at_their_newest_prices(llama: Llama) -> None:
    """UNI doubles: in dollars the value more than doubles, in tokens a tenth of UNI and some dollars came in. Aave has
    no amounts and stays in dollars."""
    llama.say("/protocol/uniswap", TWO_DAYS)
    found = (await llama.source().fetch_tvl(["defi", "infra"]))["defi"]
    assert found.values_quote == (110, 250)
    assert found.native_quote == (Decimal("200.5"), Decimal(230))
    assert found.rest_quote == (10, 20)
    assert (await llama.source().fetch_tvl(["infra"]))["infra"].native_quote == (), "chains come in dollars only"


def test_a_token_that_is_gone_counts_at_the_last_price_it_had() -> None:
    body = protocol([100, 20], [{"UNI": 8, "OLD": 5}, {"UNI": 2}], [{"UNI": 80, "OLD": 20}, {"UNI": 20}])
    levels = parse_tvl(json.dumps(body), 9, TODAY).native
    assert list(levels.values()) == [100, 20]


@pytest.mark.parametrize(
    "spoiled",
    [
        None,
        3,
        [],
        [3],
        [{"date": None, "tokens": {}}],
        [{"tokens": {"UNI": 1}}],
        [{"date": True, "tokens": {"UNI": 1}}],
    ],
)
@pytest.mark.parametrize("key", ["tokens", "tokensInUsd"])
def test_amounts_that_are_none_leave_the_dollars(key: str, spoiled: Any) -> None:
    found = parse_tvl(json.dumps({**TWO_DAYS, key: spoiled}), 9, TODAY)
    assert (list(found.values.values()), found.native) == ([100, 230], {})


@pytest.mark.parametrize("amount", ["NaN", "Infinity", -1, True, None, "many", [], 1e300])
async def test_a_day_with_an_amount_that_is_none_is_no_day_without_it(amount: Any, llama: Llama) -> None:
    """Left out alone, the token would read as withdrawn: the whole part counts in dollars."""
    body = json.loads(json.dumps(TWO_DAYS))
    body["tokens"][0]["tokens"]["USDC"] = amount
    assert list(parse_tvl(json.dumps(body), 9, TODAY).native) == [TODAY]
    llama.say("/protocol/uniswap", body)
    assert (await llama.source().fetch_tvl(["defi"]))["defi"].native_quote == ()


@pytest.mark.parametrize("worth", [20, 206, 254, 1_150])
def test_amounts_that_do_not_make_up_the_value_are_of_something_else(worth: int) -> None:
    body = protocol([100, 230], [{"UNI": 1}, {"UNI": 1}], [{"UNI": 9}, {"UNI": worth}])
    assert parse_tvl(json.dumps(body), 9, TODAY).native == {}
