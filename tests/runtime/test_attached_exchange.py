"""A bot trades at a running `sectorbot exchange`: the journal outlives both, and only loopback is asked."""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.domain.order_ids import is_ours
from bot.journal.disk.backup import back_up
from bot.journal.journal import JournalError
from bot.ports import SetupFailed, Unavailable
from bot.runtime.settings.layers import SettingsProblem
from bot.runtime.settings.model import Settings, Sources, packaged_config
from bot.runtime.simulator.attached import read_reach
from bot.runtime.simulator.reach import DOCUMENT_NAME
from bot.runtime.simulator.serve import ServedExchange, ServeOptions, serving
from bot.runtime.wiring import App, build
from tests.stage import FEW, KEPT, QUICK

HELD = "main:USDT=40000,SOL=80,AVAX=400,ETH=3,UNI=500,AAVE=25,LDO=4000,perp.USDT=15000"
ROTATES = "playbook.regime.override=breakout"


@pytest.fixture(autouse=True)
def _no_keys_are_left(tmp_path: Path) -> Iterator[None]:
    """An exchange's own files hold its keys, and only they may."""
    yield
    for state in ("exchange", "other"):
        shutil.rmtree(tmp_path / state, ignore_errors=True)


def settings(directory: Path, *changes: str) -> Settings:
    """A bot of its own in `directory/state` that trades at the exchange of `directory/exchange`."""
    assignments = (
        "environment=sim",
        "mode=trade",
        f'state_directory="{directory / "state"}"',
        f'venue.exchange="{directory / "exchange"}"',
    )
    files = (packaged_config() / "golden.toml",)
    return Sources(files=files, assignments=(*QUICK, *FEW, *assignments, *changes)).load()


def options(directory: Path, **changes: Any) -> ServeOptions:
    return ServeOptions(
        **{"tokens": ("BTC", *KEPT), "accounts": (HELD,), "state": directory / "exchange", **changes},
    )


async def run(directory: Path, *changes: str, turns: int = 4, act: Callable[[App], None] | None = None) -> App:
    """One life of the bot; it is closed when it is returned."""
    app = await build(settings(directory, *changes))
    try:
        for _ in range(turns):
            await app.cycle.run()
        if act is not None:
            act(app)
    finally:
        await app.close()
    return app


def sent(served: ServedExchange) -> list[str]:
    """Client ids of the bot's orders that the exchange has taken, stops' children left out."""
    exchange = served.exchange
    orders = [order for symbol in exchange.instruments for order in exchange.orders("main", symbol)]
    return [o.client_id for o in orders if o.parent_id is None and is_ours(o.client_id, "main")]


def holdings(served: ServedExchange) -> dict[str, Decimal]:
    spot = {asset: balance.total for asset, balance in served.exchange.balances("main").items()}
    return spot | {position.symbol: position.size for position in served.exchange.positions("main")}


async def test_a_bot_trades_there_and_goes_on_when_both_were_stopped(tmp_path: Path) -> None:
    async with serving(options(tmp_path)) as served:
        await run(tmp_path, ROTATES)
        orders, held = sent(served), holdings(served)
    assert orders
    async with serving(options(tmp_path)) as served:
        app = await build(settings(tmp_path, ROTATES))
        try:
            result = await app.cycle.run()
            assert result.truth.is_agreed, result.truth.notes
            assert app.journal.former is None, "the journal of an exchange that goes on is not set aside"
            assert {order.client_id for order in app.journal.reader.load_orders(1_000)} >= set(orders)
        finally:
            await app.close()
        assert not result.decision.intents
        assert (sent(served), holdings(served)) == (orders, held), "nothing is sent twice"


async def test_an_older_copy_of_the_journal_sends_nothing_twice(tmp_path: Path) -> None:
    copy, journal = tmp_path / "copy.db", settings(tmp_path).journal_path
    async with serving(options(tmp_path)):
        await run(tmp_path, turns=1, act=lambda app: back_up(journal, copy))
    async with serving(options(tmp_path)) as served:
        before = len(sent(served))
        await run(tmp_path, ROTATES)
        assert len(sent(served)) > before, "the copy knows less than the exchange"
    for file in journal.parent.glob(f"{journal.name}*"):
        file.unlink()
    shutil.copy(copy, journal)
    async with serving(options(tmp_path)) as served:
        orders, held = sent(served), holdings(served)
        app = await build(settings(tmp_path, ROTATES))
        try:
            for _ in range(3):
                result = await app.cycle.run()
                assert not result.truth.is_agreed
            assert {n: size for n, size in holdings(served).items() if ":" not in n and n != "USDT"} == {
                n: size for n, size in held.items() if ":" not in n and n != "USDT"
            }, "what the lost part of the journal did is not done again"
            await app.cycle.accept(by="operator", reason="rehearsal")
            for _ in range(4):
                result = await app.cycle.run()
            assert result.truth.is_agreed
        finally:
            await app.close()
        assert max(Counter(sent(served)).values()) == 1
        assert len(sent(served)) >= len(orders)


async def test_a_journal_of_another_exchange_is_refused(tmp_path: Path) -> None:
    async with serving(options(tmp_path)):
        await run(tmp_path, turns=0)
    shutil.rmtree(tmp_path / "exchange")
    async with serving(options(tmp_path)) as served:
        with pytest.raises(JournalError, match=r"belongs to trade sim binance, exchange .* exchange "):
            await build(settings(tmp_path))
        assert not sent(served)


async def test_the_exchange_is_waited_for_and_only_its_own_authority_is_trusted(tmp_path: Path) -> None:
    async with serving(options(tmp_path)):
        pass
    with pytest.raises(Unavailable, match="does not answer on port"):
        await build(settings(tmp_path))
    document = json.loads((tmp_path / "exchange" / DOCUMENT_NAME).read_text())
    async with serving(options(tmp_path, state=tmp_path / "other")) as other:
        document["https"] = f"https://127.0.0.1:{other.server.https_port}"
        (tmp_path / "exchange" / DOCUMENT_NAME).write_text(json.dumps(document))
        with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
            await build(settings(tmp_path))


async def test_an_exchange_whose_time_runs_faster_is_refused(tmp_path: Path) -> None:
    async with serving(options(tmp_path, start_ms=1_709_251_200_000, speed=60)):
        with pytest.raises(SetupFailed, match="runs 60 times as fast"):
            await build(settings(tmp_path))


async def test_the_bot_follows_an_exchange_whose_time_is_another(tmp_path: Path) -> None:
    async with serving(options(tmp_path, start_ms=1_709_251_200_000)) as served:
        app = await run(tmp_path, turns=1)
        assert abs(app.clock.now_ms() - served.server.now_ms()) < 1_000


DOCUMENT = {
    "id": "a",
    "https": "https://127.0.0.1:8443",
    "ca": "",
    "venues": ["binance"],
    "accounts": {"main": {"key": "k", "secret": "s"}},
    "market": {},
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"https": "https://api.binance.com:443"}, "is not an https address on 127.0.0.1, and no other is used"),
        ({"https": "https://10.0.0.7:8443"}, "is not an https address on 127.0.0.1"),
        ({"https": "http://127.0.0.1:8443"}, "is not an https address on 127.0.0.1"),
        ({"https": "https://127.0.0.1.example.com:8443"}, "is not an https address on 127.0.0.1"),
        ({"https": "https://127.0.0.1@example.com:8443"}, "is not an https address on 127.0.0.1"),
        ({"https": "https://127.0.0.1"}, "is not an https address on 127.0.0.1"),
        ({"https": "https://127.0.0.1:port"}, "is not what an exchange writes"),
        ({"ca": "/nowhere/ca.pem"}, "its authority /nowhere/ca.pem is not there"),
        ({"venues": ["bybit"]}, "it speaks as bybit, and venue.id is binance; start it with --venue binance"),
        ({"accounts": {}}, "is not what an exchange writes"),
        ({"accounts": None}, "is not what an exchange writes"),
        ({"market": 1}, "is not what an exchange writes"),
        ({"market": {"seed": 1}}, "is not what an exchange writes"),
        ({"market": {"seed": [], "start_ms": 1, "tokens": [], "scenario": "golden"}}, "is not what an exchange writes"),
        ({"market": {"seed": 1, "start_ms": 1, "tokens": 5, "scenario": "golden"}}, "is not what an exchange writes"),
        ({"market": {"seed": 1, "start_ms": 1, "tokens": ["UNI"], "scenario": {}}}, "is not what an exchange writes"),
        ({"market": {"seed": 1, "start_ms": 1, "tokens": [[]], "scenario": "none"}}, "is not what an exchange writes"),
    ],
)
def test_a_document_that_names_no_exchange_on_loopback_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    (tmp_path / "ca.pem").touch()
    place = tmp_path / "exchange.json"
    place.write_text(json.dumps(DOCUMENT | {"ca": str(tmp_path / "ca.pem")}))
    assert read_reach(place, ["binance"]).port == 8443
    place.write_text(json.dumps(DOCUMENT | {"ca": str(tmp_path / "ca.pem")} | change))
    with pytest.raises(SetupFailed, match=message):
        read_reach(place, ["binance"])


def test_two_venues_need_two_accounts_of_the_exchange(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    place, known = (
        tmp_path / "exchange.json",
        DOCUMENT | {"ca": str(tmp_path / "ca.pem"), "venues": ["binance", "bybit"]},
    )
    place.write_text(json.dumps(known))
    with pytest.raises(SetupFailed, match="needs 2 of its accounts, and it has 1"):
        read_reach(place, ["binance", "bybit"])
    (pair,) = known["accounts"].values()
    place.write_text(json.dumps(known | {"accounts": {"a": pair, "b": pair | {"key": "other"}}}))
    assert [key.account for key in read_reach(place, ["binance", "bybit"]).keys] == ["a", "b"]


def test_a_place_without_an_exchange_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupFailed, match="no exchange has been started there; start `sectorbot exchange --state DIR`"):
        read_reach(tmp_path, ["binance"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("environment=testnet",), 'venue.exchange is for environment = "sim", and this is testnet'),
        (("environment=mainnet", "mode=dry-run"), 'venue.exchange is for environment = "sim", and this is mainnet'),
        (('venue.exchange="https://127.0.0.1:8443"',), "give the state directory of `sectorbot exchange`"),
    ],
)
def test_settings_that_name_an_exchange_where_none_can_be_are_refused(
    tmp_path: Path, changes: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SettingsProblem, match=message):
        settings(tmp_path, *changes)


def test_a_key_of_a_real_venue_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECTORBOT__VENUE__API_KEY", "key")
    monkeypatch.setenv("SECTORBOT__VENUE__API_SECRET", "secret")
    with pytest.raises(SettingsProblem, match="a key of a real venue is never sent to a simulator"):
        settings(tmp_path)


def test_a_simulator_is_not_shown_as_the_venue_that_it_speaks_as(tmp_path: Path) -> None:
    said = ": a simulator on this machine that speaks as binance"
    there = settings(tmp_path).venue
    assert there.words_for("sim") == {"spot and perps": f"the exchange of '{tmp_path / 'exchange'}'{said}"}
    own = there.model_copy(update={"exchange": None})
    assert own.words_for("sim") == {"spot and perps": f"an exchange of this run's own{said}"}
    assert own.words_for("testnet") == {"spot and perps": "binance, without keys"}


def test_its_journal_stands_apart_from_those_of_simulations_that_begin_anew(workplace: Path) -> None:
    load = Sources(assignments=("environment=sim", "mode=trade", "venue.exchange=exchange")).load
    assert load().journal_path == Path("var/exchange-trade/journal.db")
