"""Who may enter: accounts, passwords, sessions, forms of other sites, how often a password may be tried."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from argon2 import PasswordHasher

from bot.operate.dashboard.access.passwords import hash_password, hash_token, is_password, is_token, new_token
from bot.operate.dashboard.access.visitors import LOGINS_PER_MINUTE, Access
from bot.operate.dashboard.source import BotSource
from bot.runtime.settings.layers import SettingsProblem
from bot.runtime.settings.reference import warnings
from tests.commands import sectorbot
from tests.operate.dashboard.conftest import dashboard, settings_of

MakeSource = Callable[..., BotSource]
PASSWORD = "a long enough one"
HASH = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)  # a login takes as long as its hash


def account(name: str = "anna", role: str = "operator", **more: str) -> str:
    fields = {"role": role, "password_hash": HASH} | more
    inside = ", ".join(f'{key} = "{value}"' for key, value in fields.items())
    return f"dashboard.accounts.{name}={{ {inside} }}"


async def log_in(client: TestClient[Any, Any], name: str = "anna", password: str = PASSWORD) -> int:
    form = await (await client.get("/login")).text()
    token = re.search(r'name="csrf" value="(\w+)"', form)
    assert token is not None
    values = {"name": name, "password": password, "csrf": token[1]}
    answer = await client.post("/login", data=values, allow_redirects=False)
    return answer.status


async def test_with_an_account_nothing_is_shown_without_a_login(source_of: MakeSource) -> None:
    async with dashboard(source_of(account())) as client:
        for path in ("/", "/why", "/orders", "/orders/x", "/history", "/configuration", "/log"):
            answer = await client.get(path, allow_redirects=False)
            assert (answer.status, answer.headers["Location"]) == (302, "/login"), path
        assert (await client.get("/live")).status == 401
        assert await log_in(client, password="wrong") == 401
        assert await log_in(client, name="bert") == 401
        assert await log_in(client) == 303
        page = await client.get("/")
        assert page.status == 200
        token = re.search(r'name="csrf" value="(\w+)"', await page.text())
        assert token is not None
        assert (await client.post("/logout", data={"csrf": "0"})).status == 403
        await client.post("/logout", data={"csrf": token[1]})
        assert (await client.get("/", allow_redirects=False)).status == 302


async def test_the_cookie_is_for_this_site_alone(source_of: MakeSource) -> None:
    async with dashboard(source_of(account())) as client:
        answer = await client.get("/login")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


async def test_a_password_is_tried_a_few_times_a_minute_only(source_of: MakeSource) -> None:
    async with dashboard(source_of(account())) as client:
        found = [await log_in(client, password="wrong") for _ in range(LOGINS_PER_MINUTE)]
        assert set(found) == {401}
        assert await log_in(client) == 429


async def test_a_form_of_another_site_is_refused(source_of: MakeSource) -> None:
    async with dashboard(source_of(account())) as client:
        other = {"Origin": "http://evil.example"}
        assert (await client.post("/login", data={}, headers=other)).status == 403
        assert (await client.post("/login", data={}, headers={"Sec-Fetch-Site": "cross-site"})).status == 403
        values = {"name": "anna", "password": PASSWORD, "csrf": "made up"}
        assert (await client.post("/login", data=values)).status == 403


def test_a_session_ends_and_dies_with_its_account(monkeypatch: pytest.MonkeyPatch, state: Any) -> None:
    accounts = settings_of(state, account()).dashboard.accounts
    access = Access(accounts, is_play=False)
    key = access.log_in("anna", PASSWORD)
    assert key is not None
    visitor = access.visitor_of(key)
    assert visitor is not None
    assert visitor.is_operator
    monkeypatch.setattr("bot.operate.dashboard.access.visitors.time.time", lambda: 1e12)
    assert access.visitor_of(key) is None


def test_without_accounts_only_a_simulation_may_be_acted_on() -> None:
    nobody, player = Access({}, is_play=False).visitor_of(""), Access({}, is_play=True).visitor_of("")
    assert nobody is not None
    assert player is not None
    assert (nobody.is_operator, player.is_operator) == (False, True)


def test_hashes() -> None:
    token = new_token()
    hashed = hash_password(PASSWORD)
    assert is_password(PASSWORD, hashed)
    assert not is_password(PASSWORD + " ", hashed)
    assert not is_password(PASSWORD, None)
    assert not is_password(PASSWORD, "no hash")
    assert is_token(token, hash_token(token))
    assert not is_token(token, None)
    assert not is_token("", hash_token(token))


@pytest.mark.parametrize("host", ["192.168.1.5", "::", "bot.example"])
def test_beyond_this_machine_it_needs_a_password_and_says_what_that_means(host: str, state: Any) -> None:
    with pytest.raises(SettingsProblem, match="needs an account with a password"):
        settings_of(state, f"dashboard.host={host}")
    with pytest.raises(SettingsProblem, match="needs an account with a password"):
        settings_of(state, f"dashboard.host={host}", 'dashboard.accounts.a={ token_hash = "00" }')
    found = warnings(settings_of(state, f"dashboard.host={host}", account()))
    assert any("other machines reach the dashboard" in line and "TLS" in line for line in found)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_this_machine_alone_needs_none(host: str, state: Any) -> None:
    assert not any("dashboard" in line for line in warnings(settings_of(state, f"dashboard.host={host}")))


def test_an_account_name_that_is_no_key_is_refused(workplace: Any) -> None:
    done = sectorbot("dashboard", "--account", "a b", cwd=workplace)
    assert done.returncode == 2
    assert "use letters" in done.stderr
