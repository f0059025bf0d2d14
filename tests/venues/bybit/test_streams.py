"""Bybit's streams against the embedded exchange: what they say, and how they come back from what befalls them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.domain.instrument import Kind, Side
from bot.ports import StreamNews
from bot.runtime.streams.pace import GuardPace
from bot.simex.faults import Fault, FaultRule
from bot.venues.bybit.adapter import ADAPTER
from bot.venues.bybit.streams.channels import AccountChannel, TickerChannel
from bot.venues.ccxt.adapter import only
from bot.venues.ccxt.venue import Credentials
from tests.venues.listening import listening, until
from tests.venues.simex_bench import PERP, SPOT, Bench, simex_bench

PUBLIC, PRIVATE = "/v5/public/*", "/v5/private"
TRADED = {SPOT: (Side.SELL, "9"), PERP: (Side.BUY, "11")}
MINUTE_MS = 60_000


@asynccontextmanager
async def bybit_bench(folder: Path, **changes: Any) -> AsyncIterator[Bench]:
    changes.setdefault("adapter", ADAPTER)
    async with simex_bench(folder, bases=("UNI", "BTC"), **changes) as bench:  # the check of the account asks about BTC
        yield bench


async def trade(bench: Bench, symbol: str = PERP) -> None:
    side, price = TRADED[symbol]
    bench.clock.value_ms += 1
    await bench.venue.submit_order(bench.request(symbol, side, "1", price))


async def test_prices_of_both_markets_are_named_as_ours(tmp_path: Path) -> None:
    async with bybit_bench(tmp_path) as bench, listening(bench, "spot prices", "perp prices") as made:
        await until(lambda: all(made.heard.values()))
        spot, perp = made.heard["spot prices"][0], made.heard["perp prices"][0]
        assert (spot.symbol, perp.symbol) == (SPOT, PERP)
        assert spot.price == perp.price == Decimal(10)
        assert perp.at_ms == bench.clock.now_ms()
        for symbol in (SPOT, PERP):
            bench.market.move(symbol, bench.clock.now_ms() + 1_000, 11.0)
        bench.clock.value_ms += 1_000
        await until(lambda: all(len(heard) > 1 for heard in made.heard.values()))
        assert made.heard["perp prices"][-1] == StreamNews(bench.clock.now_ms(), PERP, Decimal(11))
        assert made.heard["spot prices"][-1] == StreamNews(bench.clock.now_ms(), SPOT, Decimal(11))


async def test_what_does_not_say_the_mark_is_no_price_of_now(tmp_path: Path) -> None:
    """A change of volume says that the mark is what it was, which is not known to be of now if one was lost."""
    async with bybit_bench(tmp_path) as bench:
        channel = TickerChannel(bench.venue._link, "host", Kind.PERP, [PERP])
        channel.greetings()
        head = {"topic": "tickers.UNIUSDT", "type": "delta", "ts": 5}
        assert channel.read({**head, "data": {"symbol": "UNIUSDT", "volume24h": "7"}}).news == ()
        said = channel.read({**head, "data": {"symbol": "UNIUSDT", "markPrice": "7.5"}})
        assert said.news == (StreamNews(5, PERP, Decimal("7.5")),)


@pytest.mark.parametrize("symbol", [SPOT, PERP])
async def test_a_fill_is_heard_of_on_either_market(tmp_path: Path, symbol: str) -> None:
    async with bybit_bench(tmp_path) as bench, listening(bench, "account") as made:
        await until(lambda: made.is_fresh("account"))
        assert len(made.heard["account"]) == 1, "that it listens"
        await trade(bench, symbol)
        await until(lambda: len(made.heard["account"]) > 1)
        assert all(news.price is None and not news.symbol for news in made.heard["account"])


@pytest.mark.parametrize("fault", [{"reset": True}, {"before_engine_drop": True}], ids=["reset", "closed"])
@pytest.mark.parametrize(("name", "where"), [("perp prices", PUBLIC), ("account", PRIVATE)])
async def test_a_connection_that_ends_is_opened_again(
    tmp_path: Path, name: str, where: str, fault: dict[str, Any]
) -> None:
    async with bybit_bench(tmp_path) as bench:
        bench.simex.faults.add(FaultRule(Fault(**fault), method="PUSH", path=where))
        async with listening(bench, name) as made:
            await until(lambda: made.is_fresh(name) and bool(made.heard[name]))
            assert made.clients[name].state().connections == 2


@pytest.mark.parametrize("name", ["spot prices", "perp prices"])
async def test_prices_that_fall_silent_are_left_although_pings_are_answered(tmp_path: Path, name: str) -> None:
    keep_alive = {"silence_max_s": 0.5, "ping_s": 0.1}
    async with bybit_bench(tmp_path) as bench, listening(bench, name, **keep_alive) as made:
        await until(lambda: made.is_fresh(name))
        client = made.clients[name]
        await until(lambda: client.state().messages >= 5)  # a subscription, a price, and pongs
        await until(lambda: client.state().connections > 1)
        assert "said nothing" in client.state().problem or made.is_fresh(name)


@pytest.mark.parametrize("name", ["perp prices", "account"])
async def test_a_half_open_connection_is_left_by_its_unanswered_ping(tmp_path: Path, name: str) -> None:
    where = PUBLIC if name == "perp prices" else PRIVATE
    keep_alive = {"silence_max_s": 0, "ping_s": 0.2}
    async with bybit_bench(tmp_path) as bench, listening(bench, name, **keep_alive) as made:
        await until(lambda: made.is_fresh(name))
        await asyncio.sleep(0.6)
        assert made.clients[name].state().connections == 1, "pings are answered, so it may have nothing to say"
        bench.simex.faults.add(FaultRule(Fault(half_open=True), method="PUSH", path=where))
        await until(lambda: made.clients[name].state().connections > 1)


async def test_a_logon_that_is_signed_too_late_is_refused_and_made_anew(tmp_path: Path) -> None:
    """The bot's measure of the venue's time is a minute behind, until it is right again."""
    async with bybit_bench(tmp_path) as bench:
        link = bench.venue._link
        now_ms, behind_ms = link.now_ms, [MINUTE_MS]
        link.now_ms = lambda: now_ms() - behind_ms[0]  # type: ignore[method-assign]
        async with listening(bench, "account") as made:
            await until(lambda: made.clients["account"].state().connections > 1)
            state = made.clients["account"].state()
            assert (state.is_fresh, state.problem) == (False, "the logon was refused: Params Error")
            assert made.heard["account"] == []
            behind_ms[0] = 0
            await until(lambda: made.is_fresh("account"))


async def test_a_refused_logon_is_not_fresh_and_says_why(tmp_path: Path) -> None:
    async with bybit_bench(tmp_path, opens=False, credentials=Credentials("simulated-key", "wrong")) as bench:
        await bench.venue._link.open()
        async with listening(bench, "account") as made:
            await until(lambda: made.clients["account"].state().connections > 1)
            state = made.clients["account"].state()
            assert (state.is_fresh, "logon was refused" in state.problem) == (False, True)


async def test_every_new_connection_of_an_account_is_news_of_it(tmp_path: Path) -> None:
    """A fill while it was away is repeated by nobody: the venue repeats nothing."""
    async with bybit_bench(tmp_path) as bench, listening(bench, "account") as made:
        await until(lambda: made.is_fresh("account"))
        assert len(made.heard["account"]) == 1
        bench.simex.faults.add(FaultRule(Fault(before_engine_drop=True), method="PUSH", path=PRIVATE, times=1))
        await trade(bench)  # its event ends the connection
        await until(lambda: made.clients["account"].state().connections == 2 and made.is_fresh("account"))
        assert made.heard["account"][1:]


async def test_a_symbol_that_is_not_listed_silences_no_other(tmp_path: Path) -> None:
    symbols = (SPOT, PERP, "GONE/USDT", "GONE/USDT:USDT")
    async with (
        bybit_bench(tmp_path) as bench,
        listening(bench, "spot prices", "perp prices", symbols=symbols) as made,
    ):
        await until(lambda: all(made.heard.values()))
        assert {client.state().connections for client in made.clients.values()} == {1}
        assert {news.symbol for heard in made.heard.values() for news in heard} == {SPOT, PERP}


@pytest.mark.parametrize("fault", ["reorder", "duplicate", "after_engine_drop"])
async def test_prices_out_of_order_twice_and_with_gaps_leave_the_newest(tmp_path: Path, fault: str) -> None:
    async with bybit_bench(tmp_path) as bench:
        pace = GuardPace(10, venue_ms=bench.clock.now_ms)
        rule = FaultRule(Fault(**{fault: True}), method="PUSH", path=PUBLIC, needle='"delta"', skip=1, times=1)  # type: ignore[arg-type]
        bench.simex.faults.add(rule)
        async with listening(bench, "perp prices") as made:
            heard = made.heard["perp prices"]
            await until(lambda: bool(heard))
            for number in range(1, 5):
                bench.market.move(PERP, bench.clock.now_ms() + 1_000, 10.0 + number)
                bench.clock.value_ms += 1_000
                known = made.clients["perp prices"].state().messages
                await asyncio.sleep(0.15)
                if number == 4:
                    await until(lambda known=known: made.clients["perp prices"].state().messages > known)
        assert bench.simex.faults.hits, "the fault struck"
        for news in heard:
            pace.hear(news)
        assert pace._prices[PERP].price == Decimal(14)


@pytest.mark.parametrize(
    ("kinds", "name"),
    [({Kind.SPOT, Kind.PERP}, "account"), ({Kind.SPOT}, "spot account"), ({Kind.PERP}, "perp account")],
)
async def test_an_account_of_half_a_venue_is_named_by_its_market(tmp_path: Path, kinds: set[Kind], name: str) -> None:
    """Both halves of a book may be at Bybit, and each stream has a name of its own."""
    async with bybit_bench(tmp_path, adapter=only(ADAPTER, frozenset(kinds)), opens=False) as bench:
        assert AccountChannel(bench.venue._link, "host").name == name


async def test_a_venue_without_keys_has_prices_alone(tmp_path: Path) -> None:
    async with bybit_bench(tmp_path, credentials=None) as bench:
        assert [one.name for one in bench.venue.streams([SPOT, PERP])] == ["spot prices", "perp prices"]


async def test_messages_that_cannot_be_read_say_nothing(tmp_path: Path) -> None:
    async with bybit_bench(tmp_path) as bench, listening(bench, "perp prices", "account") as made:
        await until(lambda: all(made.is_fresh(name) for name in made.clients) and bool(made.heard["perp prices"]))
        known = {name: len(heard) for name, heard in made.heard.items()}
        bad = ['{"topic":"tickers.UNIUSDT","data":{"markPrice":"x"},"ts":1}', '{"topic":"order"}', '{"topic":5}', "[]"]
        for text in bad:
            for name, client in made.clients.items():
                assert not client._take(text, made.heard[name].append)
        assert {name: len(heard) for name, heard in made.heard.items()} == known
