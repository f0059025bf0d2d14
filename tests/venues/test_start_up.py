"""Start-up: environment verified, clock measured, key tried; anything doubtful refuses with clear words."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bot.domain.instrument import Kind
from bot.ports import ChecksUnanswered, SetupFailed, Unavailable
from bot.venues.binance.profiles import BINANCE
from bot.venues.ccxt.adapter import load_adapter
from bot.venues.ccxt.errors import ReadRefused
from bot.venues.ccxt.hosts import verify_hosts
from bot.venues.ccxt.instruments_cache import InstrumentsCache
from bot.venues.ccxt.loader import CCXT_VERSION, load_exchange_class
from bot.venues.ccxt.venue import CcxtVenue, ConnectionRules, Credentials
from bot.venues.registry import FOLDERS
from tests.venues.binance_server import NOW_MS, SECRET, BinanceServer, Canned, Hit, refusal
from tests.venues.conftest import SYMBOLS, HandClock

INFO = [("GET", "/api/v3/exchangeInfo"), ("GET", "/fapi/v1/exchangeInfo")]


async def test_sim_without_a_session_is_refused_before_anything_is_built(make_venue: Callable[..., CcxtVenue]) -> None:
    with pytest.raises(SetupFailed, match="needs a session"):
        await make_venue(session_factory=None).open()


async def test_beside_a_session_that_is_given_no_list_of_authorities_is_read(
    make_venue: Callable[..., CcxtVenue],
) -> None:
    venue = make_venue()
    await venue.open()
    assert venue._link.exchange.ssl_context.get_ca_certs() == []
    await venue.close()


def test_an_unknown_environment_is_refused_and_the_known_ones_are_named(make_venue: Callable[..., CcxtVenue]) -> None:
    with pytest.raises(SetupFailed, match="mainnet, sim, spot-testnet, testnet"):
        make_venue(environment="production")


@pytest.mark.parametrize(
    ("environment", "hosts"),
    [
        ("sim", {"api.binance.com", "fapi.binance.com"}),
        ("mainnet", {"api.binance.com", "fapi.binance.com"}),
        ("testnet", {"demo-api.binance.com", "demo-fapi.binance.com"}),
        ("spot-testnet", {"testnet.binance.vision"}),
    ],
)
async def test_each_environment_talks_to_its_own_hosts_only(
    environment: str, hosts: set[str], make_venue: Callable[..., CcxtVenue], server: BinanceServer
) -> None:
    venue = make_venue(environment=environment)
    await venue.open()
    await venue.fetch_account()
    assert {hit.host for hit in server.hits} == hosts


async def test_the_spot_test_network_asks_for_no_futures(
    make_venue: Callable[..., CcxtVenue], server: BinanceServer
) -> None:
    venue = make_venue(environment="spot-testnet")
    await venue.open()
    account = await venue.fetch_account()
    assert account.perp_wallet == 0
    assert await venue.fetch_payments(0) == ()
    found = await venue.fetch_instruments(["UNI/USDT", "UNI/USDT:USDT"])
    assert found.keys() == {"UNI/USDT"}
    assert not any(hit.path.startswith("/fapi") for hit in server.hits)


@pytest.mark.parametrize("environment", list(BINANCE.environments))
@pytest.mark.parametrize("url", ["http://api.binance.com/x", "https://api.binance.com.evil.example/x", "https://x/y"])
def test_one_strange_url_among_many_is_enough_to_refuse(environment: str, url: str) -> None:
    spec = BINANCE.environments[environment]

    urls: dict[str, Any] = {"public": f"https://{min(spec.hosts)}/api", "deep": {"private": url}}
    exchange = SimpleNamespace(hostname="binance.com", urls={"api": urls})
    with pytest.raises(SetupFailed, match=r"section api\.deep\.private"):
        verify_hosts(exchange, spec, "binance")
    exchange.urls = {"api": {}}
    with pytest.raises(SetupFailed, match="no API URL"):
        verify_hosts(exchange, spec, "binance")


@pytest.mark.parametrize("skew_ms", [2_501, -2_501, 60_000])
async def test_a_clock_too_far_off_is_refused_with_advice(
    skew_ms: int, make_venue: Callable[..., CcxtVenue], server: BinanceServer
) -> None:
    server.now_ms = lambda: NOW_MS + skew_ms
    with pytest.raises(SetupFailed, match=f"by {skew_ms} ms.*NTP"):
        await make_venue().open()


async def test_a_small_skew_corrects_every_stamp(make_venue: Callable[..., CcxtVenue], server: BinanceServer) -> None:
    server.now_ms = lambda: NOW_MS + 700
    venue = make_venue()
    await venue.open()
    assert (venue.clock_skew_ms, venue.now_ms()) == (700, NOW_MS + 700)
    assert server.last("GET", "/fapi/v3/account").params["timestamp"] == str(NOW_MS + 700)


async def test_the_skew_is_taken_from_the_fastest_of_three_answers(
    make_venue: Callable[..., CcxtVenue], server: BinanceServer, clock: HandClock
) -> None:
    venue = make_venue()
    await venue.open()
    trips = iter([400, 10, 300])

    def answer() -> int:
        trip = next(trips)
        clock.value_ms += trip
        return clock.value_ms - trip + 50

    server.now_ms = answer
    assert await venue.fetch_clock_skew() == 50 - 5


@pytest.mark.parametrize(
    ("route", "answer", "words"),
    [
        (("GET", "/api/v3/account"), refusal(-2014, "API-key format invalid.", 401), "spot wallet"),
        (("GET", "/api/v3/account"), refusal(-2015, "Invalid API-key, IP, or permissions.", 401), "allowed IP"),
        (("GET", "/fapi/v3/account"), refusal(-2015, "Invalid API-key, IP, or permissions.", 401), "futures perm"),
        (("GET", "/fapi/v1/positionSide/dual"), {"dualSidePosition": True}, "one-way mode"),
        (
            ("GET", "/sapi/v1/account/apiRestrictions"),
            {"enableWithdrawals": True, "enableFutures": True},
            "withdrawal permission",
        ),
        (("GET", "/sapi/v1/account/apiRestrictions"), {"enableFutures": False}, "no futures permission"),
        (("GET", "/fapi/v1/multiAssetsMargin"), {"multiAssetsMargin": True}, "single-asset mode"),
        (
            ("GET", "/sapi/v1/account/apiRestrictions"),
            {"enableWithdrawals": False, "enableFutures": True, "enablePortfolioMarginTrading": True},
            "leave portfolio margin",
        ),
        (("GET", "/api/v3/account"), {"canTrade": False, "balances": []}, "may not trade"),
    ],
)
async def test_a_key_that_cannot_or_must_not_trade_is_refused(
    route: tuple[str, str], answer: Any, words: str, make_venue: Callable[..., CcxtVenue], server: BinanceServer
) -> None:
    server.answers[route] = answer
    with pytest.raises(SetupFailed, match=words) as caught:
        await make_venue().open()
    assert SECRET not in str(caught.value)


async def test_a_wrong_secret_is_refused(make_venue: Callable[..., CcxtVenue]) -> None:
    with pytest.raises(SetupFailed, match="-1022"):
        await make_venue(credentials=Credentials("key", "another secret")).open()


CHECKS = [
    ("GET", "/api/v3/account"),
    ("GET", "/fapi/v3/account"),
    ("GET", "/fapi/v1/positionSide/dual"),
    ("GET", "/fapi/v1/multiAssetsMargin"),
    ("GET", "/sapi/v1/account/apiRestrictions"),
]
NO_ANSWERS = {
    "internal error": refusal(-1000, "An unknown error occurred while processing the request.", 500),
    "bad gateway": Canned(502, "<html>bad gateway</html>", content_type="text/html"),
    "page under 200": Canned(200, "<html>maintenance</html>", content_type="text/html"),
    "not found": Canned(404, "<html>no such route</html>", content_type="text/html"),
    "limit": refusal(-1003, "Too many requests.", 429, **{"Retry-After": "1"}),
    "long limit": refusal(-1003, "Too many requests.", 429, **{"Retry-After": "86400"}),
    "empty": Canned(200, ""),
    "empty object": {},
    "empty list": [],
    "null": Canned(200, "null"),
    "a word": Canned(200, '"ok"'),
    "another shape": {"data": {"dualSidePosition": False, "enableWithdrawals": False}},
    "null fields": dict.fromkeys(
        ("balances", "assets", "dualSidePosition", "multiAssetsMargin", "enableWithdrawals", "enableFutures")
    ),
    "numbers for flags": dict.fromkeys(
        ("balances", "assets", "dualSidePosition", "multiAssetsMargin", "enableWithdrawals", "enableFutures"), 0
    ),
}


@pytest.mark.sweep(keep=8)
@pytest.mark.parametrize("shape", NO_ANSWERS)
@pytest.mark.parametrize("route", CHECKS)
async def test_a_check_without_a_proper_answer_is_asked_again_and_then_refused(
    route: tuple[str, str], shape: str, make_venue: Callable[..., CcxtVenue], server: BinanceServer
) -> None:
    server.answers[route] = NO_ANSWERS[shape]
    with pytest.raises(ChecksUnanswered, match=r"not passed.*Try again later") as caught:
        await make_venue().open()
    assert SECRET not in str(caught.value)
    assert server.count(*route) > 1 or shape == "long limit"


@pytest.mark.parametrize("route", CHECKS)
async def test_a_check_that_is_answered_at_the_second_try_is_passed(
    route: tuple[str, str], make_venue: Callable[..., CcxtVenue], server: BinanceServer
) -> None:
    proper, seen = server.answers[route], list[int]()

    def answer(hit: Hit) -> object:
        seen.append(1)
        return {} if len(seen) == 1 else proper

    server.answers[route] = answer
    await make_venue().open()
    assert len(seen) == 2


async def test_what_an_environment_cannot_be_asked_is_said_and_not_asked(
    make_venue: Callable[..., CcxtVenue], server: BinanceServer
) -> None:
    del server.answers["GET", "/sapi/v1/account/apiRestrictions"]
    venue = make_venue(environment="testnet")
    await venue.open()
    (line,) = (await venue.fetch_account_review(60_000)).skipped
    assert "rights of the API key" in line
    assert not any(hit.path.startswith("/sapi") for hit in server.hits)


async def test_other_quote_currencies_are_named_and_never_taken_for_ours(
    make_venue: Callable[..., CcxtVenue], server: BinanceServer
) -> None:
    spot = {"canTrade": True, "balances": [{"asset": "USDC", "free": "5", "locked": "2.5"}]}
    assets = [{"asset": "USDC", "walletBalance": "100000", "availableBalance": "100000"}]
    server.answers["GET", "/api/v3/account"] = spot
    server.answers["GET", "/fapi/v3/account"] = {
        "totalWalletBalance": "100000",
        "availableBalance": "100000",
        "assets": assets,
    }
    venue = make_venue()
    await venue.open()
    problems = (await venue.fetch_account_review(60_000)).problems
    assert [problem.is_blocking for problem in problems] == [False, False]
    assert "7.5 USDC" in problems[0].words
    assert "100000 USDC" in problems[1].words
    account = await venue.fetch_account()
    assert not any((account.perp_wallet, account.perp_free, account.cash))


async def test_a_review_is_asked_again_once_its_answers_are_old_and_finds_what_was_changed(
    make_venue: Callable[..., CcxtVenue], server: BinanceServer, clock: HandClock
) -> None:
    venue = make_venue()
    await venue.open()
    server.answers["GET", "/fapi/v1/multiAssetsMargin"] = {"multiAssetsMargin": "true"}
    assert (await venue.fetch_account_review(3_600_000)).problems == ()
    clock.value_ms += 3_600_000
    (problem,) = (await venue.fetch_account_review(3_600_000)).problems
    assert problem.is_blocking
    assert "multi-assets mode" in problem.words
    assert "single-asset mode" in problem.remedy


@pytest.mark.parametrize("trades", [True, False])
async def test_a_key_that_may_only_read_is_refused_where_orders_are_meant_to_be_sent(
    trades: bool, make_venue: Callable[..., CcxtVenue], server: BinanceServer
) -> None:
    rights = {"enableWithdrawals": False, "enableFutures": True, "enableSpotAndMarginTrading": False}
    server.answers["GET", "/sapi/v1/account/apiRestrictions"] = rights
    venue = make_venue(rules=ConnectionRules(trades=trades))
    if not trades:
        await venue.open()
        return
    with pytest.raises(SetupFailed, match="no permission for spot trading"):
        await venue.open()


async def test_a_venue_that_is_down_is_unavailable_and_leaves_nothing_open(
    make_venue: Callable[..., CcxtVenue], server: BinanceServer
) -> None:
    server.drops.add(("GET", "/api/v3/time"))
    venue = make_venue()
    with pytest.raises(Unavailable):
        await venue.open()
    await venue.close()


async def test_market_data_needs_no_key(make_venue: Callable[..., CcxtVenue], server: BinanceServer) -> None:
    venue = make_venue(credentials=None)
    await venue.open()
    await venue.fetch_instruments(["UNI/USDT"])
    assert (await venue.fetch_quotes(["UNI/USDT"])).keys() == {"UNI/USDT"}
    assert not any("signature" in hit.params for hit in server.hits)
    server.hits.clear()
    with pytest.raises(ReadRefused, match='requires "apiKey"'):
        await venue.fetch_account()
    assert server.hits == []


def test_credentials_do_not_print() -> None:
    credentials = Credentials("visible-key", SECRET)
    assert SECRET not in f"{credentials!r} {credentials}"
    assert "visible-key" not in repr(credentials)


# --- instruments and their cache


async def test_instruments_take_exactly_two_requests_and_come_from_the_venues_own_filters(
    make_venue: Callable[..., CcxtVenue], server: BinanceServer
) -> None:
    venue = make_venue(credentials=None)
    await venue.open()
    server.hits.clear()
    found = await venue.fetch_instruments([*SYMBOLS, "GONE/USDT"])
    assert server.routes() == INFO
    assert found.keys() == set(SYMBOLS)
    assert found["UNI/USDT"].kind is Kind.SPOT
    assert str(found["1000PEPE/USDT:USDT"].multiplier) == "1000"
    assert found["1000PEPE/USDT:USDT"].token == "PEPE"
    assert found["UNI/USDT:USDT"].leverage_max == BINANCE.leverage_fallback


async def test_with_a_key_the_leverage_limit_is_the_brackets(venue: CcxtVenue, server: BinanceServer) -> None:
    found = await venue.fetch_instruments(SYMBOLS)
    assert found["UNI/USDT:USDT"].leverage_max == 50
    assert found["UNI/USDT"].leverage_max == 1


async def test_a_second_start_reads_the_cache_and_asks_for_no_lists(
    make_venue: Callable[..., CcxtVenue], server: BinanceServer, tmp_path: Path, clock: HandClock
) -> None:
    rules = ConnectionRules(cache_folder=tmp_path / "cache", cache_max_age_ms=1_000)

    async def start(symbols: list[str]) -> int:
        venue = make_venue(credentials=None, rules=rules)
        await venue.open()
        server.hits.clear()
        found = await venue.fetch_instruments(symbols)
        assert found.keys() == set(symbols) - {"GONE/USDT"}
        return len(server.hits)

    assert await start(["UNI/USDT", "UNI/USDT:USDT", "GONE/USDT"]) == 2
    assert await start(["UNI/USDT", "GONE/USDT"]) == 0
    assert await start(["AAVE/USDT"]) == 2
    clock.value_ms += 1_001
    assert await start(["AAVE/USDT"]) == 2


async def test_a_cached_start_gives_the_same_instruments_and_sends_the_same_order(
    make_venue: Callable[..., CcxtVenue], server: BinanceServer, tmp_path: Path
) -> None:
    rules = ConnectionRules(cache_folder=tmp_path)
    found = []
    for _ in range(2):
        venue = make_venue(credentials=None, rules=rules)
        await venue.open()
        found.append(await venue.fetch_instruments(SYMBOLS))
        assert venue._link.exchange.amount_to_precision("UNI/USDT", "3.14") == "3.14"
    assert found[0] == found[1]
    assert len(json.loads((tmp_path / "instruments-binance-sim.json").read_text())["markets"]) == len(SYMBOLS)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("id", None),
        ("spot", "yes"),
        ("symbol", []),
        ("precision", {"amount": "1", "price": "1"}),
        ("info", {"symbol": "UNIUSDT", "filters": []}),
    ],
)
async def test_a_cache_that_was_changed_is_not_believed_and_ends_no_start(
    make_venue: Callable[..., CcxtVenue], tmp_path: Path, key: str, value: object
) -> None:
    venue = make_venue(credentials=None, rules=ConnectionRules(cache_folder=tmp_path))
    await venue.open()
    found = await venue.fetch_instruments(SYMBOLS)
    path = tmp_path / "instruments-binance-sim.json"
    stored = json.loads(path.read_text())
    stored["markets"]["UNI/USDT"][key] = value
    path.write_text(json.dumps(stored))
    second = make_venue(credentials=None, rules=ConnectionRules(cache_folder=tmp_path))
    await second.open()
    assert await second.fetch_instruments(SYMBOLS) == found


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"version": 99, "saved_ms": 0, "asked": [], "markets": {}}'])
def test_a_broken_cache_is_not_used(content: str, tmp_path: Path) -> None:
    cache = InstrumentsCache(tmp_path, "binance", "sim")
    cache.path.write_text(content)
    assert cache.load([], now_ms=0) is None


def test_a_folder_that_cannot_be_written_costs_only_speed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    InstrumentsCache(tmp_path / "file" / "below", "binance", "sim").save({}, [], now_ms=0)


# --- ccxt itself


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_the_lean_import_loads_one_exchange_and_not_a_hundred() -> None:
    out = run(
        "import sys\n"
        "from bot.venues.ccxt.loader import load_exchange_class\n"
        "cls = load_exchange_class('binance')\n"
        "print(cls.__name__, cls({}).id, sum(m.startswith('ccxt') for m in sys.modules))\n"
        "import ccxt, ccxt.async_support as a\n"
        "print(a.binance is cls, a.kraken.__name__, issubclass(a.BadSymbol, ccxt.BaseError), hasattr(a, 'nonsense'))\n"
    )
    first, second = out.splitlines()
    name, ccxt_id, modules = first.split()
    assert (name, ccxt_id) == ("binance", "binance")
    assert int(modules) < 60
    assert second == "True kraken True False"


def test_requests_is_loaded_when_a_synchronous_exchange_wants_a_session_and_then_whole() -> None:
    out = run(
        "import sys\n"
        "from bot.venues.ccxt.loader import load_exchange_class\n"
        "load_exchange_class('binance')({})\n"
        "print('requests' in sys.modules, 'urllib3' in sys.modules)\n"
        "import importlib, requests\n"
        "base = importlib.import_module('ccxt.base.exchange')\n"
        "session = base.Exchange({}).session\n"
        "real = requests.exceptions\n"
        "print(type(session) is requests.Session, base.requestsConnectionError is real.ConnectionError)\n"
        "print(base.Timeout is requests.exceptions.Timeout, base.Exchange({}).userAgent.partition('/')[0])\n"
    )
    assert out.split() == ["False", "False", "True", "True", "True", "python-requests"]


KEY_PAIRS = """
import sys, hashlib
from bot.venues.ccxt.loader import load_exchange_class
load_exchange_class('binance', lean={lean})({{}})
print('cryptography' in sys.modules)
import importlib
Exchange = importlib.import_module('ccxt.base.exchange').Exchange
pem = sys.stdin.read()
print(Exchange.eddsa(b'text', bytes(range(32))))
print(Exchange.rsa('text', pem), len(Exchange.rsa('text', pem, padding_mode='pss')))
print(Exchange.jwt({{'a': 1}}, pem.encode(), 'sha256', True))
for curve in ('p256', 'p384'):
    print(Exchange.ecdsa('00' * 32, '11' * 32, curve, None))
"""


def test_what_signs_with_key_pairs_is_loaded_at_the_first_signature_and_signs_the_same() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    lean, whole = (
        subprocess.run(
            [sys.executable, "-c", KEY_PAIRS.format(lean=lean)], input=pem, capture_output=True, text=True, check=True
        ).stdout.split("\n", 1)
        for lean in (True, False)
    )
    assert (lean[0], whole[0]) == ("False", "True")
    assert lean[1] == whole[1]
    assert lean[1].count("\n") > 4


def test_an_import_that_cannot_be_lean_falls_back_to_the_ordinary_one() -> None:
    out = run(
        "import bot.venues.ccxt.loader as loader\n"
        "loader._PACKAGES = {'ccxt': '', 'ccxt.async_support': 'nowhere', 'ccxt.pro': 'pro'}\n"
        "print(loader.load_exchange_class('binance')({}).id)\n"
    )
    assert out.strip() == "binance"


def test_an_exchange_ccxt_does_not_have_is_named() -> None:
    with pytest.raises(SetupFailed, match="nonesuch"):
        load_exchange_class("nonesuch")


def test_ccxt_is_the_version_its_internals_were_read_in() -> None:
    exchange = load_exchange_class("binance")
    module = sys.modules[exchange.__module__.split(".")[0]]
    assert module.__version__ == CCXT_VERSION


def test_profiles_have_the_buckets_that_their_order_costs_name() -> None:
    for profile in (load_adapter(name).profile for name in FOLDERS):
        for market in profile.sections.values():
            names = {bucket.name for bucket in profile.buckets[market]}
            assert profile.order_costs.get(market, {}).keys() <= names
            assert profile.spot_order_costs.get(market, {}).keys() <= names
        for (_, section, _), units in profile.weights.items():
            assert units.keys() <= {bucket.name for bucket in profile.buckets[profile.sections[section]]}
        assert profile.quiet_period_ms(profile.receive_window_ms) > profile.receive_window_ms
        for environment in profile.environments.values():
            assert environment.hosts
            assert environment.kinds


def test_live_and_test_hosts_never_overlap() -> None:
    environments = BINANCE.environments
    for name in ("testnet", "spot-testnet"):
        assert not environments[name].hosts & environments["mainnet"].hosts
    assert environments["sim"].needs_session
    assert replace(environments["mainnet"], needs_session=True).hosts == environments["sim"].hosts
