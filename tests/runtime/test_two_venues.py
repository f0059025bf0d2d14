"""Spot at one venue and perps at another: what the settings mean, what they refuse, and what a start makes of them."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from bot.domain.instrument import Kind
from bot.playbook.book.transfers import wallet_names
from bot.runtime.clock import SystemClock
from bot.runtime.settings.capital import known_needs
from bot.runtime.settings.layers import SettingsProblem
from bot.runtime.settings.model import Settings, load_settings, redacted
from bot.runtime.wiring import make_venue
from bot.venues.ccxt.venue import CcxtVenue
from bot.venues.pair.venue import PairVenue
from bot.venues.registry import abilities_of
from tests.playbook.builders import golden_policy, neutral_world

ONE, OTHER = "binance", "bybit"
APART = (f"venue.spot.id={ONE}", f"venue.perp.id={OTHER}")
KEY = "A1b2C3d4E5f6G7h8I9j0"


def settings_of(*assignments: str) -> Settings:
    return load_settings((), assignments)


def test_a_configuration_of_before_has_one_account_for_both() -> None:
    settings = settings_of(f"venue.id={OTHER}")
    assert not settings.venue.is_pair
    assert (settings.venue.name, [a.id for a in settings.venue.accounts]) == (OTHER, [OTHER])
    assert isinstance(make_venue(settings_of(f"venue.id={OTHER}", "mode=trade"), SystemClock(), None), CcxtVenue)


def test_a_table_that_names_the_same_venue_is_the_same_account() -> None:
    assert not settings_of(f"venue.id={OTHER}", f"venue.spot.id={OTHER}", f"venue.perp.id={OTHER}").venue.is_pair


@pytest.mark.parametrize(
    ("assignments", "spot", "perp"),
    [
        (APART, ONE, OTHER),
        ((f"venue.id={ONE}", f"venue.perp.id={OTHER}"), ONE, OTHER),
        ((f"venue.id={ONE}", f"venue.spot.id={OTHER}"), OTHER, ONE),
    ],
)
def test_each_kind_of_market_has_its_venue(assignments: tuple[str, ...], spot: str, perp: str) -> None:
    settings = settings_of(*assignments, "mode=trade")
    assert settings.venue.name == f"{spot}+{perp}"
    venue = make_venue(settings, SystemClock(), None)
    assert isinstance(venue, PairVenue)
    assert (venue.id, venue.has_transfers) == (f"{spot}+{perp}", False)


Put = Callable[..., None]


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> Put:
    """Gives keys as variables of the environment: `venue__api_key="…"`."""

    def given(**keys: str) -> None:
        for name, value in keys.items():
            monkeypatch.setenv(f"SECTORBOT__{name.upper()}", value)

    return given


def test_the_keys_of_the_venue_are_not_those_of_another_one(put: Put) -> None:
    put(venue__api_key=KEY, venue__api_secret=KEY)
    settings = settings_of(f"venue.id={ONE}", f"venue.perp.id={OTHER}", "mode=trade")
    assert settings.venue.account_of(Kind.SPOT).has_keys
    assert not settings.venue.account_of(Kind.PERP).has_keys
    assert f"needs venue.perp.api_key and venue.perp.api_secret (of {OTHER})" in settings.key_problem


def test_two_accounts_at_one_venue_are_two(put: Put) -> None:
    put(venue__api_key=KEY, venue__api_secret=KEY)
    put(venue__perp__api_key=KEY[::-1], venue__perp__api_secret=KEY)
    settings = settings_of(f"venue.id={ONE}", "mode=trade")
    assert settings.venue.name == f"{ONE}+{ONE}"
    assert settings.key_problem == ""
    assert isinstance(make_venue(settings, SystemClock(), None), PairVenue)


@pytest.mark.parametrize("tables", [("venue__", "venue__perp__"), ("venue__spot__", "venue__perp__")])
def test_no_key_of_any_table_is_shown(tables: tuple[str, ...], put: Put) -> None:
    keys = {
        f"{table}api_{name}": f"{KEY}{number}{name}"
        for number, table in enumerate(tables)
        for name in ("key", "secret")
    }
    put(**keys)
    settings = settings_of(f"venue.id={ONE}")
    assert set(settings.secret_values()) >= set(keys.values())
    shown = str(redacted(settings)) + repr(settings)
    assert not [key for key in keys.values() if key in shown]


@pytest.mark.parametrize(
    ("keys", "assignments", "words"),
    [
        ({"venue__perp__api_key": KEY}, APART, "venue.perp.api_key and venue.perp.api_secret belong together"),
        (
            {"venue__api_key": KEY, "venue__api_secret": KEY},
            (f"venue.spot.id={OTHER}", f"venue.perp.id={OTHER}"),
            "venue.api_key is of an account that trades neither",
        ),
        ({"venue__spot__api_key": "your-key"}, (), r"venue\.spot\.api_key is a placeholder"),
        ({}, ("venue.spot.id=kraken",), "'kraken' is not supported"),
        ({}, ("venue.perp.id=Bybit",), "written in small letters"),
        ({}, (f"venue.spot.id={OTHER}", "venue.spot_testnet=true"), "no test network for spot alone"),
        ({}, (f"venue.perp.id={ONE}", "venue.perp.demo=true"), "no demo trading beside its test network"),
        ({}, ("venue.perps.id=bybit",), "did you mean"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(
    keys: dict[str, str], assignments: tuple[str, ...], words: str, put: Put
) -> None:
    put(**keys)
    with pytest.raises(SettingsProblem, match=words):
        settings_of(*assignments)


def test_the_test_network_for_spot_goes_with_perps_elsewhere() -> None:
    settings = settings_of(*APART, "venue.spot_testnet=true", "venue.perp.demo=true", "mode=trade")
    venue = make_venue(settings, SystemClock(), None)
    assert isinstance(venue, PairVenue)
    assert [half.venue.environment for half in venue._halves] == ["spot-testnet", "demo"]


def test_the_least_orders_are_those_of_the_venue_of_each_market() -> None:
    apart, single = known_needs(settings_of(*APART)), known_needs(settings_of(f"venue.id={ONE}"))
    assert abilities_of(ONE).least_orders.perps != abilities_of(OTHER).least_orders.perps
    assert apart != single


def test_what_is_to_be_moved_is_said_with_the_names_of_both_venues() -> None:
    one = neutral_world(golden_policy()).snapshot().instruments
    assert wallet_names(one.values()) == ("the spot wallet", "the perp wallet")
    apart = [replace(found, venue="a" if found.kind is Kind.SPOT else "b") for found in one.values()]
    assert wallet_names(apart) == ("spot at a", "perps at b")
    assert wallet_names(()) == ("the spot wallet", "the perp wallet")
