"""MEXC has one environment of its own, perps for those who ask for them, and names that mean other tokens elsewhere."""

from decimal import Decimal

import pytest
from ccxt.async_support import mexc

from bot.domain.instrument import Kind
from bot.runtime.settings.layers import SettingsProblem
from bot.runtime.settings.model import load_settings
from bot.runtime.settings.reference import warnings
from bot.venues.ccxt.adapter import only
from bot.venues.mexc.adapter import ADAPTER
from bot.venues.mexc.markets import RENAMED, MexcMarkets
from tests.venues.mexc.canned import PERP, SMALL, SPOT, MexcSession, perp_market, spot_market, success, usual, venue_on

D = Decimal
WITHOUT_PERPS = (
    "playbook.hedging.is_on=false",
    "playbook.tactical.is_on=false",
    *(
        f'playbook.allocation.{where}."{sector}.futures"=0'
        for where in ("neutral", "de_risk")
        for sector in ("defi", "infra")
    ),
)


@pytest.mark.parametrize("environment", ["sim", "mainnet"])
async def test_every_request_goes_to_the_venues_own_host(environment: str) -> None:
    session = MexcSession(usual())
    venue = venue_on(session, environment=environment)
    await venue.open()
    await venue.fetch_instruments([SPOT, PERP])
    await venue.fetch_account()
    await venue.close()
    assert {sent.url.split("/")[2] for sent in session.sent} == {"api.mexc.com"}


def test_there_is_no_test_environment_and_the_refusal_says_what_there_is() -> None:
    with pytest.raises(SettingsProblem, match=r'mexc has no test environment; use environment = "mainnet"'):
        load_settings((), ("venue.id=mexc", "venue.perp.id=mexc", "environment=testnet"))
    settings = load_settings((), ("venue.id=mexc", "venue.perp.id=mexc", "environment=mainnet"))
    assert settings.mode == "dry-run"
    load_settings((), ("venue.id=mexc", "venue.perp.id=mexc", "environment=sim"))


def test_perps_are_traded_only_where_a_table_of_the_settings_names_the_venue() -> None:
    with pytest.raises(SettingsProblem, match=r"perps are traded at mexc only where venue\.perp\.id") as caught:
        load_settings((), ("venue.id=mexc", "environment=mainnet"))
    for name in ("playbook.hedging.is_on = false", "playbook.tactical.is_on", 'neutral."infra.futures" = 0'):
        assert name in str(caught.value)
    named = load_settings((), ("venue.id=mexc", "venue.perp.id=mexc", "environment=mainnet"))
    assert named.venue.kinds == frozenset(Kind)
    assert not named.venue.is_pair
    apart = load_settings((), ("venue.id=mexc", "venue.perp.id=binance", "environment=mainnet"))
    assert apart.venue.kinds == frozenset(Kind)
    assert apart.venue.name == "mexc+binance"


def test_a_rotation_without_perps_is_what_the_settings_say_and_is_told() -> None:
    settings = load_settings((), ("venue.id=mexc", "environment=mainnet", *WITHOUT_PERPS))
    assert settings.venue.kinds == {Kind.SPOT}
    assert settings.venue.name == "mexc"
    assert list(settings.venue.roles) == ["spot"]
    assert any("perps are not traded: mexc" in said for said in warnings(settings))


@pytest.mark.parametrize(
    ("spot", "perps", "environment", "is_told"),
    [
        ("mexc", "mexc", "mainnet", True),
        ("binance", "mexc", "mainnet", True),
        ("mexc", "binance", "mainnet", False),
        ("mexc", "mexc", "sim", False),
    ],
)
def test_who_trades_perps_there_is_told_of_admission_and_of_stops_that_end(
    spot: str, perps: str, environment: str, is_told: bool
) -> None:
    names = ("venue.id" if spot == perps else "venue.spot.id", "venue.perp.id")
    settings = load_settings((), (f"{names[0]}={spot}", f"{names[1]}={perps}", f"environment={environment}"))
    said = [line for line in warnings(settings) if line.startswith("mexc: ")]
    for words in ("accounts only that the venue has admitted", "stops of perps end after seven days"):
        assert any(words in line for line in said) is is_told


@pytest.mark.parametrize(
    ("types", "is_active"),
    [(["LIMIT", "MARKET", "LIMIT_MAKER"], True), (["LIMIT", "LIMIT_MAKER"], False), ([], False), (None, True)],
)
async def test_a_pair_without_market_orders_is_not_active(types: object, is_active: bool) -> None:
    session = MexcSession(usual())
    session.answers["GET /api/v3/exchangeInfo"] = {"symbols": [spot_market("BTC", orderTypes=types)]}
    venue = venue_on(session)
    await venue.open()
    found = await venue.fetch_instruments([SPOT])
    await venue.close()
    assert found[SPOT].active is is_active


async def test_an_account_for_spot_alone_is_asked_nothing_about_perps() -> None:
    session = MexcSession(usual())
    venue = venue_on(session, adapter=only(ADAPTER, frozenset({Kind.SPOT})))
    await venue.open()
    await venue.fetch_instruments([SPOT])
    session.sent.clear()
    account = await venue.fetch_account()
    assert {sent.path for sent in session.sent} == {"/api/v3/account"}
    assert await venue.fetch_payments(0) == ()
    assert (account.perp_wallet, venue.has_transfers) == (0, False)
    await venue.close()


async def test_a_perp_that_the_account_may_not_trade_by_api_is_not_active() -> None:
    session = MexcSession(usual())
    venue = venue_on(session)
    await venue.open()
    found = await venue.fetch_instruments([PERP, "ETH/USDT:USDT"])
    await venue.close()
    assert (found[PERP].active, found["ETH/USDT:USDT"].active) == (True, False)


async def test_the_rights_of_a_key_are_not_told_and_a_person_is_reminded() -> None:
    session = MexcSession(usual())
    venue = venue_on(session, environment="mainnet")
    await venue.open()
    review = await venue.fetch_account_review(0)
    await venue.close()
    assert (review.problems, review.unanswered) == ((), {})
    assert any("the rights of the API key: look it up yourself" in said for said in review.skipped)


# Names that mean another token at this venue: a token of the sectors is the same asset everywhere, or it is not there.


def test_every_name_that_ccxt_changes_is_known_here() -> None:
    base = {"XBT", "BCC", "BCHSV", "DRK"}
    changed = {name: ours for name, ours in mexc().commonCurrencies.items() if name not in base}
    assert changed == RENAMED


async def test_a_token_with_a_name_that_the_venue_gives_to_another_is_not_listed_and_not_held() -> None:
    session = MexcSession(usual())  # it lists GASUSDT, and holds 7 of it: that is GasDAO, not Neo's gas
    venue = venue_on(session)
    await venue.open()
    found = await venue.fetch_instruments(["GAS/USDT", "GASDAO/USDT"])
    account = await venue.fetch_account()
    await venue.close()
    assert set(found) == {"GASDAO/USDT"}
    assert found["GASDAO/USDT"].venue_symbol == "GASUSDT"
    assert account.balances["GASDAO"].total == 7
    assert "GAS" not in account.balances


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("GAS/USDT", "GASNEOUSDT"),
        ("GASDAO/USDT", "GASUSDT"),
        ("GMT/USDT", "STEPNUSDT"),
        ("GMT/USDT:USDT", "STEPN_USDT"),
        ("FLUX/USDT", "FLUX1USDT"),
        ("SOUL/USDT", "?SOULUSDT"),
        ("BIFI/USDT", "?BIFIUSDT"),
        ("UNI/USDT", "UNIUSDT"),
        ("UNI/USDT:USDT", "UNI_USDT"),
    ],
)
def test_a_name_that_is_built_never_names_another_token(symbol: str, name: str) -> None:
    rules = MexcMarkets()
    assert rules.venue_symbol(symbol) == name
    kind = Kind.PERP if ":" in symbol else Kind.SPOT
    if not name.startswith("?"):
        assert rules.symbol_of(name, kind, ("USDT",)) == symbol
    assert rules.symbol_of("UNI_EUR" if ":" in symbol else "UNIEUR", kind, ("USDT",)).partition("/")[2].startswith("?")


async def test_contracts_of_ten_million_coins_are_counted_in_coins() -> None:
    session = MexcSession(usual())
    venue = venue_on(session)
    await venue.open()
    made = (await venue.fetch_instruments([SMALL]))[SMALL]
    session.answers["GET /api/v1/contract/depth/PEPE_USDT"] = success(
        {"asks": [[9.855e-06, 4, 2]], "bids": [[9.854e-06, 5, 1]], "timestamp": 1}
    )
    book = await venue.fetch_book(SMALL, 5)
    await venue.close()
    assert (made.size_step, made.size_min, made.size_max) == (10_000_000, 10_000_000, 150_000_000_000)
    assert (made.contract_size, made.multiplier) == (1, 1)
    assert book.bids == ((D("0.000009854"), D(50_000_000)),)
    assert made.brackets[0].notional_cap == 30_000 * 10_000_000 * D("0.0000098546")


@pytest.mark.parametrize("size", [None, 0, "", -1])
async def test_a_perp_without_a_contract_size_is_left_out(size: object) -> None:
    session = MexcSession(usual())
    session.answers["GET /api/v1/contract/detail"] = success(
        [perp_market("BTC", size), perp_market("PEPE", 10_000_000)]
    )
    venue = venue_on(session)
    await venue.open()
    found = await venue.fetch_instruments([PERP, SMALL])
    await venue.close()
    assert set(found) == {SMALL}


def test_a_thousand_in_a_name_is_a_thousand_tokens() -> None:
    row = perp_market("1000BONK", 100)
    market = {"info": row, "swap": True, "symbol": "1000BONK/USDT:USDT", "base": "1000BONK", "quote": "USDT"}
    made = MexcMarkets().instrument({**market, "id": "1000BONK_USDT"}, venue="mexc")
    assert (made.multiplier, made.token, made.size_step) == (1000, "BONK", 100)
