"""Each environment of Bybit reaches its own host and no other, whatever ccxt's switches do."""

from dataclasses import replace
from typing import Any

import pytest
from ccxt.async_support import bybit

from bot.ports import SetupFailed, Unavailable
from bot.runtime.clock import SystemClock
from bot.runtime.settings.layers import SettingsProblem
from bot.runtime.settings.model import load_settings
from bot.runtime.wiring import make_venue
from bot.venues.bybit.adapter import ADAPTER
from bot.venues.ccxt.venue import ConnectionRules
from bot.venues.paper.venue import PaperVenue
from tests.venues.bybit.canned import CannedSession, Reply, usual, venue_on
from tests.venues.conftest import skipped_waits

HOSTS = {
    "sim": "api.bybit.com",
    "mainnet": "api.bybit.com",
    "testnet": "api-testnet.bybit.com",
    "demo": "api-demo.bybit.com",
}


@pytest.mark.parametrize("environment", list(HOSTS))
async def test_every_request_goes_to_the_environments_own_host(environment: str) -> None:
    session = CannedSession(usual())
    venue = venue_on(session, environment=environment)
    await venue.open()
    await venue.fetch_instruments(["BTC/USDT", "BTC/USDT:USDT"])
    await venue.fetch_account()
    await venue.close()
    assert {sent.url.split("/")[2] for sent in session.sent} == {HOSTS[environment]}
    is_asked = bool(session.of("/v5/user/query-api"))
    assert is_asked is (environment != "demo")  # demo trading has no such question


@pytest.mark.parametrize(("environment", "switch"), [("testnet", "set_sandbox_mode"), ("demo", "enable_demo_trading")])
@pytest.mark.parametrize("fault", ["does nothing", "raises", "moves one"])
async def test_a_switch_that_leaves_production_urls_is_refused_before_a_request(
    environment: str, switch: str, fault: str
) -> None:
    def broken(self: Any, enable: bool) -> None:
        del enable
        if fault == "raises":
            raise TypeError("no such mode")
        if fault == "moves one":
            self.urls["api"] = {**self.urls["api"], "public": f"https://{HOSTS[environment]}"}

    class Broken(bybit):  # type: ignore[misc]
        pass

    setattr(Broken, switch, broken)
    session = CannedSession(usual())
    rules = ConnectionRules(seams=skipped_waits(exchange_class=Broken))
    with pytest.raises(SetupFailed):
        await venue_on(session, environment=environment, rules=rules).open()
    assert session.sent == []


async def test_another_hostname_is_refused() -> None:
    class Elsewhere(bybit):  # type: ignore[misc]
        def describe(self) -> Any:
            return self.deep_extend(super().describe(), {"hostname": "bybit.example"})

    session = CannedSession(usual())
    rules = ConnectionRules(seams=skipped_waits(exchange_class=Elsewhere))
    with pytest.raises(SetupFailed, match=r"bybit\.example"):
        await venue_on(session, environment="mainnet", rules=rules).open()
    assert session.sent == []


async def test_sim_needs_a_session_that_leads_to_the_embedded_exchange() -> None:
    with pytest.raises(SetupFailed, match="session"):
        await venue_on(CannedSession(), session_factory=None).open()


async def test_the_first_private_call_asks_for_nothing_else() -> None:
    session = CannedSession(usual())
    environment = replace(ADAPTER.profile.environments["sim"], checks=frozenset())
    adapter = replace(ADAPTER, profile=replace(ADAPTER.profile, environments={"sim": environment}))
    venue = venue_on(session, adapter=adapter)
    await venue.open()
    session.sent.clear()
    await venue.fetch_account()
    await venue.close()
    assert sorted({sent.path for sent in session.sent}) == [
        "/v5/account/info",
        "/v5/account/wallet-balance",
        "/v5/position/list",
    ]


UNOFFERED = [
    (("venue.id=bybit", "venue.spot_testnet=true"), "no test network for spot alone"),
    (("venue.demo=true",), "no demo trading beside its test network"),
    (("venue.id=bybit", "venue.demo=true", "environment=mainnet"), "demo trading is a test environment"),
]


@pytest.mark.parametrize(("assignments", "words"), UNOFFERED)
def test_what_is_not_offered_is_refused_when_the_settings_are_read(assignments: tuple[str, ...], words: str) -> None:
    with pytest.raises(SettingsProblem, match=words):
        load_settings((), assignments)


@pytest.mark.parametrize(
    ("assignments", "environment"),
    [((), "testnet"), (("venue.demo=true",), "demo"), (("environment=mainnet",), "mainnet")],
)
def test_a_dry_run_at_bybit_is_offered_in_each_of_its_environments(
    assignments: tuple[str, ...], environment: str
) -> None:
    settings = load_settings((), ("venue.id=bybit", *assignments))
    venue = make_venue(settings, SystemClock(), None)
    assert isinstance(venue, PaperVenue)
    assert (venue.id, venue.environment) == ("bybit", environment)


async def test_a_start_from_an_address_that_is_shut_out_says_why_and_what_to_do() -> None:
    session = CannedSession({"GET /v5/market/time": Reply("<html>403 Forbidden</html>", 403)})
    with pytest.raises(Unavailable, match=r"free again after ten minutes.*country is not served"):
        await venue_on(session).open()
    assert len(session.sent) == 1
