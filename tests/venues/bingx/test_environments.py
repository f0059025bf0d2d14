"""Each environment of BingX reaches its own host and no other; its test environment has perps only, and says so."""

from decimal import Decimal
from typing import Any

import pytest
from ccxt.async_support import bingx

from bot.domain.instrument import Kind
from bot.ports import Lane, Rejection, SetupFailed, VenueRejected
from bot.runtime.settings.layers import SettingsProblem
from bot.runtime.settings.model import load_settings
from bot.venues.bingx.adapter import ADAPTER
from bot.venues.bingx.markets import ALL, RENAMED, BingxMarkets
from bot.venues.ccxt.adapter import only
from bot.venues.ccxt.venue import CcxtVenue, ConnectionRules
from tests.venues.bingx.canned import PERP, SPOT, BingxSession, success, usual, venue_on
from tests.venues.conftest import skipped_waits

HOSTS = {"sim": "open-api.bingx.com", "mainnet": "open-api.bingx.com", "testnet": "open-api-vst.bingx.com"}


@pytest.mark.parametrize("environment", list(HOSTS))
async def test_every_request_goes_to_the_environments_own_host(environment: str) -> None:
    session = BingxSession(usual())
    venue = venue_on(session, environment=environment)
    await venue.open()
    found = await venue.fetch_instruments([SPOT, PERP])
    await venue.fetch_account()
    await venue.close()
    assert {sent.url.split("/")[2] for sent in session.sent} == {HOSTS[environment]}
    assert (SPOT in found) is (environment != "testnet")
    if environment == "testnet":
        assert not [sent.path for sent in session.sent if "/spot/" in sent.path]


@pytest.mark.parametrize("fault", ["does nothing", "raises", "moves one"])
async def test_a_switch_that_leaves_production_urls_is_refused_before_a_request(fault: str) -> None:
    def broken(self: Any, enable: bool) -> None:
        del enable
        if fault == "raises":
            raise TypeError("no such mode")
        if fault == "moves one":
            self.urls["api"] = {**self.urls["api"], "swap": "https://open-api-vst.bingx.com/openApi"}

    class Broken(bingx):  # type: ignore[misc]
        set_sandbox_mode = broken

    session = BingxSession(usual())
    rules = ConnectionRules(seams=skipped_waits(exchange_class=Broken))
    with pytest.raises(SetupFailed):
        await venue_on(session, environment="testnet", rules=rules).open()
    assert session.sent == []


async def test_virtual_money_counts_as_the_quote_currency_on_the_test_environment_alone() -> None:
    for environment, wallet in (("testnet", Decimal(5)), ("mainnet", Decimal(0))):
        session = BingxSession(usual())
        session.answers["GET /openApi/swap/v3/user/balance"] = success(
            [{"asset": "VST", "balance": "5", "availableMargin": "4"}]
        )
        venue = venue_on(session, environment=environment)
        await venue.open()
        assert (await venue.fetch_account()).perp_wallet == wallet
        await venue.close()


async def test_the_test_environment_moves_no_cash_and_sends_nothing_for_it() -> None:
    session = BingxSession(usual())
    venue = venue_on(session, environment="testnet")
    await venue.open()
    session.sent.clear()
    with pytest.raises(VenueRejected) as caught:
        await venue.move_cash(Decimal(10), to_perp=True)
    assert (caught.value.code, caught.value.kind, session.sent) == ("not sent", Rejection.OTHER, [])
    await venue.close()


def test_spot_on_the_test_environment_is_refused_when_the_settings_are_read() -> None:
    with pytest.raises(SettingsProblem, match=r"test environment of bingx has no spot.*venue\.spot\.id"):
        load_settings((), ("venue.id=bingx", "environment=testnet"))
    load_settings((), ("venue.id=binance", "venue.perp.id=bingx", "environment=testnet"))
    load_settings((), ("venue.id=bingx", "environment=mainnet"))
    load_settings((), ("venue.id=bingx", "environment=sim"))


async def test_an_account_for_spot_alone_is_asked_nothing_about_perps() -> None:
    session = BingxSession(usual())
    venue = venue_on(session, adapter=only(ADAPTER, frozenset({Kind.SPOT})))
    await venue.open()
    await venue.fetch_instruments([SPOT])
    session.sent.clear()
    await venue.fetch_account()
    assert {sent.path for sent in session.sent} == {"/openApi/spot/v1/account/balance"}
    assert await venue.fetch_payments(0) == ()
    await venue.close()


# Names that mean another token at this venue: a token of the sectors is the same asset everywhere, or it is not there.


def test_every_name_that_ccxt_changes_is_known_here() -> None:
    base = {"XBT", "BCC", "BCHSV", "DRK"}
    changed = {name: ours for name, ours in bingx().commonCurrencies.items() if name not in base}
    assert changed == RENAMED


async def test_a_token_with_a_name_that_the_venue_gives_to_another_is_not_listed_and_not_held() -> None:
    session = BingxSession(usual())  # it lists OMNI-USDT, and holds 7 of it
    venue = venue_on(session)
    await venue.open()
    found = await venue.fetch_instruments(["OMNI/USDT", "OmniCat/USDT"])
    account = await venue.fetch_account()
    await venue.close()
    assert set(found) == {"OmniCat/USDT"}
    assert found["OmniCat/USDT"].venue_symbol == "OMNI-USDT"
    assert account.balances["OmniCat"].total == 7
    assert "OMNI" not in account.balances


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("TRUMP/USDT", "TRUMPSOL-USDT"),
        ("TRUMPMAGA/USDT", "TRUMP-USDT"),
        ("OMNI/USDT", "?OMNI-USDT"),
        ("SNOW/USDT", "?SNOW-USDT"),
        ("UNI/USDT:USDT", "UNI-USDT"),
    ],
)
def test_a_name_that_is_built_never_names_another_token(symbol: str, name: str) -> None:
    rules = BingxMarkets()
    assert rules.venue_symbol(symbol) == name
    kind = Kind.PERP if ":" in symbol else Kind.SPOT
    if not name.startswith("?"):
        assert rules.symbol_of(name, kind, ("USDT",)) == symbol


def test_perps_scale_by_contract_here_and_never_by_a_thousand() -> None:
    row = {
        "symbol": "PEPE-USDT",
        "quantityPrecision": 0,
        "pricePrecision": 10,
        "tradeMinQuantity": 1000,
        "size": "1000",
    }
    market = {"info": row, "swap": True, "symbol": "PEPE/USDT:USDT", "base": "PEPE", "quote": "USDT", "id": "PEPE-USDT"}
    made = BingxMarkets().instrument(market, venue="bingx")
    assert (made.multiplier, made.contract_size, made.size_min) == (1, 1, 1000)
    thousand = BingxMarkets().instrument({**market, "base": "1000PEPE"}, venue="bingx")
    assert thousand.multiplier == 1000


async def test_orders_of_spot_have_a_limit_of_their_own(venue: CcxtVenue) -> None:
    """Five a second, where perps have ten: together in one, the venue refused what was beyond five."""
    for symbol in (SPOT, SPOT, PERP):
        await venue.admit(symbol, Lane.CRITICAL)
    loads = venue._link.wire.gates[ALL].loads()
    assert (loads["spot create"], loads["create"]) == ((2, 5), (1, 10))
