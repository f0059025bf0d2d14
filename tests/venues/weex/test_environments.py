"""Where WEEX is reached, with which keys, and what is refused there before a request leaves."""

from decimal import Decimal
from typing import Any

import pytest
from ccxt.async_support import weex

from bot.domain.instrument import Kind, Side
from bot.domain.order import OrderType
from bot.ports import Rejection, SetupFailed, Unavailable, VenueRejected
from bot.runtime.settings.layers import SettingsProblem
from bot.runtime.settings.model import load_settings
from bot.runtime.settings.reference import warnings
from bot.venues.ccxt.adapter import only
from bot.venues.ccxt.venue import CcxtVenue, Credentials
from bot.venues.weex.adapter import ADAPTER
from bot.venues.weex.markets import WeexMarkets
from tests.venues.bybit.canned import KEY, NOW_MS, SECRET
from tests.venues.weex.canned import (
    PERP,
    POSITIONS,
    SPOT,
    WeexSession,
    is_signed_well,
    perp_market,
    position_row,
    rules_of,
    spot_market,
    usual,
    venue_on,
)
from tests.venues.weex.test_outcomes import order

D = Decimal
STOP: dict[str, Any] = {"order_type": OrderType.STOP, "price": None, "side": Side.SELL, "trigger_price": D("45000.5")}


async def test_each_market_goes_to_its_own_host(venue: CcxtVenue, session: WeexSession) -> None:
    await venue.fetch_account()
    for sent in session.sent:
        assert sent.url.split("/")[2] == ("api-contract.weex.com" if "/capi/" in sent.path else "api-spot.weex.com")
    signed = [sent for sent in session.sent if "ACCESS-KEY" in sent.headers]
    assert len(signed) == 3
    assert all(is_signed_well(sent) for sent in signed)


@pytest.mark.parametrize("environment", ["testnet", "demo"])
def test_its_simulated_environment_is_none(environment: str) -> None:
    """It is other paths of the live hosts, so no check of hosts could tell it from the real market."""
    with pytest.raises(SetupFailed, match="has no environment"):
        venue_on(WeexSession(usual()), environment=environment)


def test_a_test_network_is_refused_when_the_settings_are_read() -> None:
    with pytest.raises(SettingsProblem, match=r"weex has no test environment"):
        load_settings((), ("venue.id=weex", "environment=testnet", "risk.maintenance_rate=0.05"))
    with pytest.raises(SettingsProblem, match=r"weex has no test environment"):
        load_settings((), ("venue.perp.id=weex", "environment=testnet", "risk.maintenance_rate=0.05"))


def test_perps_are_refused_until_their_maintenance_margin_is_said() -> None:
    with pytest.raises(SettingsProblem, match=r"risk\.maintenance_rate: weex does not report.*venue\.perp\.id"):
        load_settings((), ("venue.id=weex", "environment=mainnet"))
    load_settings((), ("venue.id=weex", "environment=mainnet", "risk.maintenance_rate=0.03"))
    load_settings((), ("venue.id=weex", "venue.perp.id=binance", "environment=mainnet"))
    load_settings((), ("venue.id=weex", "environment=sim"))


def test_signals_that_look_back_further_than_its_candles_are_told_before() -> None:
    def told(*assignments: str) -> list[str]:
        return [one for one in warnings(load_settings((), assignments)) if "newest 300 candles" in one]

    (words,) = told("venue.id=weex", "environment=sim")
    assert "signals look back 722" in words
    assert told("venue.id=binance", "venue.perp.id=weex", "environment=sim") == []


def test_a_secret_without_its_passphrase_is_refused_when_the_settings_are_read() -> None:
    given = ("venue.id=weex", "environment=mainnet", "risk.maintenance_rate=0.03")
    keys = {"SECTORBOT__VENUE__API_KEY": "k" * 32, "SECTORBOT__VENUE__API_SECRET": "s" * 32}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in keys.items():
            patch.setenv(name, value)
        with pytest.raises(SettingsProblem, match=r"SECRET,PASSPHRASE"):
            load_settings((), given)
        patch.setenv("SECTORBOT__VENUE__API_SECRET", "s" * 32 + ",a-passphrase")
        known = load_settings((), given).secret_values()
    assert {"s" * 32, "a-passphrase"} <= set(known)


@pytest.mark.parametrize("secret", [SECRET, f"{SECRET},", f",{SECRET}"])
async def test_a_key_without_its_passphrase_sends_nothing(secret: str) -> None:
    session = WeexSession(usual())
    with pytest.raises(SetupFailed, match="SECRET,PASSPHRASE"):
        await venue_on(session, credentials=Credentials(KEY, secret)).open()
    assert session.sent == []


async def test_a_request_may_arrive_until_half_a_minute_after_its_stamp(venue: CcxtVenue) -> None:
    assert venue.quiet_period_ms == 35_000
    assert venue.receive_window_ms == 5_000


UNCLAIMED = (
    (SPOT, STOP, Rejection.OTHER),
    (SPOT, {"reduce_only": True}, Rejection.REDUCE_ONLY),
    (SPOT, {"size": D("0.0000001")}, Rejection.FILTER),
    (PERP, {"price": D("50000.12")}, Rejection.FILTER),
    (PERP, {"client_id": "with a blank"}, Rejection.OTHER),
    (PERP, {"client_id": "x" * 37}, Rejection.OTHER),
)


@pytest.mark.parametrize(("symbol", "changes", "kind"), UNCLAIMED)
async def test_what_the_venue_is_not_said_to_take_is_refused_before_a_request_leaves(
    symbol: str, changes: dict[str, Any], kind: Rejection, venue: CcxtVenue, session: WeexSession
) -> None:
    with pytest.raises(VenueRejected) as caught:
        await venue.submit_order(order(symbol, **changes))
    assert (caught.value.code, caught.value.kind) == ("not sent", kind)
    assert session.sent == []


@pytest.mark.parametrize("is_trigger", [False, True])
async def test_an_order_that_was_taken_is_never_absent(
    is_trigger: bool, venue: CcxtVenue, session: WeexSession
) -> None:
    """One list alone shows an open order; while it is behind, a stop that rests would be given up and sent again."""
    request = order(reduce_only=True, **STOP) if is_trigger else order()
    assert await venue.fetch_order(PERP, request.client_id, is_trigger=is_trigger) is None
    taken = {"orderId": "17", "clientOrderId": request.client_id, "success": True}
    session.answers["POST /capi/v3/algoOrder" if is_trigger else "POST /capi/v3/order"] = taken
    await venue.submit_order(request)
    with pytest.raises(Unavailable, match="one of them is behind"):
        await venue.fetch_order(PERP, request.client_id, is_trigger=is_trigger)
    assert await venue.fetch_order(PERP, request.client_id, is_trigger=not is_trigger) is None  # it is none of those


async def test_nothing_is_moved_between_the_wallets(venue: CcxtVenue, session: WeexSession) -> None:
    assert not venue.has_transfers
    with pytest.raises(VenueRejected, match="no way to move") as caught:
        await venue.move_cash(D(10), to_perp=True)
    assert (caught.value.code, session.sent) == ("not sent", [])


async def test_an_order_that_would_open_the_other_side_is_not_sent(venue: CcxtVenue, session: WeexSession) -> None:
    """A SELL that opens SHORT while a LONG is held is no reduction here: both would stand side by side."""
    session.answers[POSITIONS] = [position_row(side="LONG")]
    await venue.fetch_account()
    session.sent.clear()
    with pytest.raises(VenueRejected, match="second one") as caught:
        await venue.submit_order(order(side=Side.SELL))
    assert (caught.value.code, session.sent) == ("not sent", [])


@pytest.mark.parametrize(
    ("side", "reduce_only", "said"),
    [(Side.BUY, False, "LONG"), (Side.SELL, False, "SHORT"), (Side.SELL, True, "LONG"), (Side.BUY, True, "SHORT")],
)
async def test_every_order_of_a_perp_names_the_side_of_its_position(
    side: Side, reduce_only: bool, said: str, venue: CcxtVenue, session: WeexSession
) -> None:
    request = order(side=side, reduce_only=reduce_only)
    session.answers["POST /capi/v3/order"] = {"orderId": "17", "clientOrderId": request.client_id, "success": True}
    await venue.submit_order(request)
    assert session.sent[0].body == (
        f'{{"symbol":"BTCUSDT","side":"{side.value.upper()}","type":"LIMIT","quantity":"0.01","price":"50000.1",'
        f'"timeInForce":"IOC","positionSide":"{said}","newClientOrderId":"{request.client_id}"}}'
    )
    assert session.sent[0].headers["ACCESS-TIMESTAMP"] == str(NOW_MS - 900)


async def test_both_sides_of_one_perp_make_it_unreadable_and_no_other(venue: CcxtVenue, session: WeexSession) -> None:
    session.answers[POSITIONS] = [position_row(size="0.02", openValue="1010"), position_row(side="LONG")]
    account = await venue.fetch_account()
    assert set(account.unreadable) == {f"perp:{PERP}"}
    assert account.positions[PERP].size == D("-0.02")
    session.answers[POSITIONS] = [position_row(separatedMode="SEPARATED")]
    account = await venue.fetch_account()
    assert "SEPARATED" in account.unreadable[f"perp:{PERP}"]
    assert account.positions[PERP].size == D("-0.01")


async def test_without_a_maintenance_rate_nothing_is_opened_and_positions_are_closed() -> None:
    session = WeexSession(usual())
    venue = venue_on(session, rules=rules_of(None))
    await venue.open()
    found = await venue.fetch_instruments([PERP])
    assert (found[PERP].brackets, found[PERP].leverage_max) == ((), 1)
    session.sent.clear()
    with pytest.raises(VenueRejected, match="maintenance") as caught:
        await venue.submit_order(order())
    assert (caught.value.code, session.sent) == ("not sent", [])
    close = order(side=Side.SELL, reduce_only=True)
    session.answers["POST /capi/v3/order"] = {"orderId": "17", "clientOrderId": close.client_id, "success": True}
    assert (await venue.submit_order(close)).venue_id == "17"
    await venue.close()


@pytest.mark.parametrize("kind", list(Kind))
async def test_an_account_for_one_kind_of_market_is_asked_about_no_other(kind: Kind) -> None:
    session = WeexSession(usual())
    venue = venue_on(session, adapter=only(ADAPTER, frozenset({kind})))
    await venue.open()
    await venue.fetch_instruments([SPOT if kind is Kind.SPOT else PERP])
    session.sent.clear()
    await venue.fetch_account()
    assert {"/capi/" in sent.path for sent in session.sent} == {kind is Kind.PERP}
    await venue.close()


async def test_a_start_reminds_of_the_rights_of_the_key(venue: CcxtVenue) -> None:
    review = await venue.fetch_account_review(0)
    assert (review.problems, review.unanswered) == ((), {})
    assert any("rights of the API key" in words for words in review.skipped)


# What a size counts, and which asset a name is.


def market_of(row: dict[str, Any]) -> dict[str, Any]:
    perp = "marginAsset" in row
    symbol = f"{row['baseAsset']}/USDT" + (":USDT" if perp else "")
    return {"info": row, "swap": perp, "symbol": symbol, "base": row["baseAsset"], "quote": "USDT", "id": row["symbol"]}


def test_the_value_of_a_contract_changes_no_size() -> None:
    made = WeexMarkets().instrument(market_of(perp_market("BTCUSDT", "BTC")), venue="weex", leverage_max=D(3))
    assert (made.contract_size, made.multiplier, made.size_step) == (1, 1, D("0.0001"))
    thousand = perp_market("1000PEPEUSDT", "1000PEPE", quantityPrecision=0)
    assert WeexMarkets().instrument(market_of(thousand), venue="weex").multiplier == 1000


def test_a_pair_without_a_grid_is_left_out() -> None:
    row = spot_market("OLDUSDT", "OLD", tickSize=None, stepSize=None)
    with pytest.raises(KeyError):
        WeexMarkets().instrument(market_of(row), venue="weex")


@pytest.mark.parametrize("base", ["GAS", "GMT", "OMNI", "SNOW", "TRUMP", "FLUX", "1000PEPE"])
def test_ccxt_gives_no_token_another_name_here(base: str) -> None:
    """Where it did, a token of the sectors would be another asset at this venue."""
    assert weex().safe_currency_code(base) == base
    rules = WeexMarkets()
    for symbol, kind in ((f"{base}/USDT", Kind.SPOT), (f"{base}/USDT:USDT", Kind.PERP)):
        assert rules.symbol_of(rules.venue_symbol(symbol), kind, ("USDT", "USDC")) == symbol
