"""`sectorbot exchange`: what it prints works, it keeps its accounts over a kill, and its control requests act."""

import base64
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bot.ports import SetupFailed
from bot.runtime.simulator.reach import lines_of
from bot.runtime.simulator.serve import parse_account, read_faults, read_keys
from bot.simex.signing import sign
from tests.commands import environment

COMMAND = [sys.executable, "-m", "bot", "exchange", "--json", "--tokens", "BTC,ETH,UNI"]


class Running:
    """One process of the command, with the document that it printed."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *options],
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.process.communicate())
        self.document: dict[str, Any] = json.loads(line)

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.document["http"] + path, data, headers or {}, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310
                return json.load(reply)
        except urllib.error.HTTPError as error:
            return json.load(error)

    def signed(self, method: str, path: str, query: str = "") -> Any:
        pair = next(iter(self.document["accounts"].values()))
        query += f"&timestamp={self.ask('GET', '/api/v3/time')['serverTime']}"
        query = query.lstrip("&")
        url = f"{path}?{query}&signature={sign(pair['secret'], query)}"
        return self.ask(method, url, headers={"X-MBX-APIKEY": pair["key"]})

    def stop(self, number: int = signal.SIGINT) -> int:
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        self.process.communicate(timeout=20)
        return self.process.returncode


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path, "--control")
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def shared_exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One process for tests that read or trade on it whatever the others did before."""
    running = Running(tmp_path_factory.mktemp("exchange"), "--control")
    yield running
    assert running.stop() == 0


def test_the_printed_ccxt_program_trades(shared_exchange: Running, tmp_path: Path) -> None:
    program = shared_exchange.document["ccxt"]
    assert len(program.splitlines()) <= 10
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["closed", "open"]


CCXT_READS = """
import re, sys, ccxt
key, secret, base = sys.argv[1:]
exchange = ccxt.binance({"apiKey": key, "secret": secret})
urls = exchange.urls["api"].items()
exchange.urls["api"] = {name: re.sub("https://[^/]+", base, url) for name, url in urls}  # without the venue's host
exchange.options["fetchMargins"] = False
exchange.enableRateLimit = False  # the exchange counts, and refuses nothing of this
exchange.load_time_difference()
exchange.load_markets()
for symbol in ("ETH/USDT", "ETH/USDT:USDT"):
    order = exchange.create_order(symbol, "limit", "buy", 0.1, 2000)
    for name in (
        "fetch_ticker", "fetch_order_book", "fetch_trades", "fetch_ohlcv", "fetch_my_trades", "fetch_orders",
        "fetch_open_orders", "fetch_closed_orders", "fetch_canceled_orders", "fetch_trading_fee", "fetch_bids_asks",
    ):
        getattr(exchange, name)([symbol] if name == "fetch_bids_asks" else symbol)
    assert exchange.fetch_order(order["id"], symbol)["status"] == "open"
    changed = exchange.edit_order(order["id"], symbol, "limit", "buy", 0.2, 2001)
    assert exchange.cancel_order(changed["id"], symbol)["status"] == "canceled"
swap = "ETH/USDT:USDT"
for name in (
    "fetch_funding_rate", "fetch_funding_rate_history", "fetch_open_interest", "fetch_open_interest_history",
    "fetch_mark_price", "fetch_mark_ohlcv", "fetch_index_ohlcv", "fetch_premium_index_ohlcv", "fetch_leverage",
    "fetch_margin_mode", "fetch_position_mode", "fetch_market_leverage_tiers", "fetch_funding_history",
    "fetch_long_short_ratio_history", "fetch_margin_adjustment_history", "fetch_my_liquidations",
):
    if exchange.has.get("".join(part.capitalize() if i else part for i, part in enumerate(name.split("_")))) is True:
        getattr(exchange, name)(swap, *(["5m"] if name == "fetch_long_short_ratio_history" else []))
for name in (
    "fetch_time", "fetch_status", "fetch_currencies", "fetch_balance", "fetch_tickers", "fetch_last_prices",
    "fetch_deposits", "fetch_withdrawals", "fetch_trading_fees", "fetch_positions", "fetch_positions_risk",
    "fetch_leverage_tiers", "fetch_funding_rates", "fetch_funding_intervals", "fetch_mark_prices", "fetch_leverages",
):
    getattr(exchange, name)()
exchange.create_orders([
    {"symbol": swap, "type": "limit", "side": "buy", "amount": 0.1, "price": price} for price in (2000, 2100)
])
exchange.cancel_all_orders(swap)
print("read all")
"""


def test_ccxt_reads_and_trades_everything_it_unifies(shared_exchange: Running, tmp_path: Path) -> None:
    pair = shared_exchange.document["accounts"]["main"]
    before = shared_exchange.ask("GET", "/simex/unknown")
    arguments = (pair["key"], pair["secret"], shared_exchange.document["http"])
    done = subprocess.run(
        [sys.executable, "-c", CCXT_READS, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout == "read all\n", done.stderr[-2000:]
    assert shared_exchange.ask("GET", "/simex/unknown") == before


def test_the_printed_lines_name_everything(shared_exchange: Running) -> None:
    text = "\n".join(lines_of(shared_exchange.document))
    pair = shared_exchange.document["accounts"]["main"]
    for part in (
        pair["key"],
        pair["secret"],
        "/api/v3",
        "/fapi/v1",
        "ca.pem",
        "openssl dgst -sha256",
        "import json, ccxt",
    ):
        assert part in text
    assert Path(shared_exchange.document["ca"]).is_file()


def test_control_requests_act(started: Running) -> None:
    ask = started.ask
    before = float(ask("GET", "/fapi/v1/ticker/price?symbol=UNIUSDT")["price"])
    assert ask("POST", "/simex/price", {"symbol": "UNI/USDT", "price": "20"})["moved"] == ["UNI/USDT", "UNI/USDT:USDT"]
    assert float(ask("GET", "/fapi/v1/ticker/price?symbol=UNIUSDT")["price"]) > 1.5 * before
    order = "symbol=UNIUSDT&side=BUY&type=MARKET&quantity=1"
    ask("POST", "/simex/halt", {"symbol": "UNI/USDT"})
    assert started.signed("POST", "/api/v3/order", order)["code"] == -2010
    ask("POST", "/simex/resume", {"symbol": "UNI/USDT"})
    assert started.signed("POST", "/api/v3/order", order)["status"] == "FILLED"
    ask("POST", "/simex/fund", {"account": "main", "asset": "ETH", "amount": "7"})
    held = {row["asset"]: float(row["free"]) for row in started.signed("GET", "/api/v3/account")["balances"]}
    assert held["ETH"] == 9
    now_ms = ask("GET", "/simex/clock")["now_ms"]
    assert ask("POST", "/simex/advance?ms=3600000")["now_ms"] >= now_ms + 3_600_000
    ask("POST", "/simex/fault", {"path": "/api/v3/ping", "fault": {"reply_status": 503, "reply_body": "{}"}})
    assert ask("GET", "/api/v3/ping") == {}
    ask("POST", "/simex/delist", {"symbol": "BTC/USDT:USDT"})
    info = ask("GET", "/fapi/v1/exchangeInfo")["symbols"]
    assert {row["symbol"]: row["status"] for row in info}["BTCUSDT"] == "CLOSE"
    assert "give a positive number" in ask("POST", "/simex/price", {"symbol": "UNI/USDT", "price": "-1"})["error"]


def test_unknown_endpoints_are_counted(shared_exchange: Running) -> None:
    before = Counter(shared_exchange.ask("GET", "/simex/unknown"))
    for _ in range(2):
        assert shared_exchange.ask("GET", "/fapi/v1/nothing")["code"] == -5000
    after = Counter(shared_exchange.ask("GET", "/simex/unknown"))
    assert after - before == {"GET /fapi/v1/nothing": 2}


def test_without_control_nothing_is_answered_there(tmp_path: Path) -> None:
    running = Running(tmp_path)
    try:
        assert "--control" in running.ask("GET", "/simex/state")["error"]
    finally:
        running.stop()


def test_accounts_outlive_a_kill(tmp_path: Path) -> None:
    running = Running(tmp_path, "--state", "kept")
    order = "symbol=UNIUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=7&newClientOrderId=mine"
    placed = running.signed("POST", "/fapi/v1/order", order)
    running.signed("POST", "/api/v3/order", "symbol=ETHUSDT&side=BUY&type=MARKET&quantity=0.1")
    balances = running.signed("GET", "/api/v3/account")["balances"]
    running.stop(signal.SIGKILL)
    again = Running(tmp_path, "--state", "kept")
    try:
        assert again.document["accounts"] == running.document["accounts"]
        assert again.signed("GET", "/api/v3/account")["balances"] == balances
        (kept,) = again.signed("GET", "/fapi/v1/openOrders")
        assert (kept["orderId"], kept["clientOrderId"]) == (placed["orderId"], "mine")
        assert again.signed("POST", "/fapi/v1/order", order)["code"] == -4116
    finally:
        again.stop()


def test_a_client_signs_with_its_own_key_pair(tmp_path: Path) -> None:
    private = Ed25519PrivateKey.generate()
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "public.pem").write_bytes(pem)
    names = []
    for _ in range(2):  # the key of the kept state is the same one
        running = Running(tmp_path, "--state", "kept", "--public-key", "main:public.pem")
        try:
            (own,) = running.document["public_keys"]
            assert (own["account"], own["kind"]) == ("main", "Ed25519")
            query = f"timestamp={running.ask('GET', '/api/v3/time')['serverTime']}"
            signature = quote(base64.b64encode(private.sign(query.encode())).decode(), safe="")
            headers = {"X-MBX-APIKEY": own["key"]}
            account = running.ask("GET", f"/api/v3/account?{query}&signature={signature}", headers=headers)
            assert account["canTrade"] is True
            assert f"  key     {own['key']}" in lines_of(running.document)
            names.append(own["key"])
        finally:
            running.stop()
    assert names[0] == names[1]


@pytest.mark.parametrize("text", ["main", "main:absent.pem", "1:public.pem"])
def test_a_public_key_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(SetupFailed, match=f"--public-key {text}"):
        read_keys([text])


def test_a_state_of_another_market_is_refused(tmp_path: Path) -> None:
    Running(tmp_path, "--state", "kept").stop()
    done = subprocess.run(
        [*COMMAND, "--state", "kept", "--seed", "9"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "belong to seed 1" in done.stdout + done.stderr


def test_an_exchange_with_its_own_clock_starts_at_its_day(tmp_path: Path) -> None:
    running = Running(tmp_path, "--clock", "own", "--start", "2024-03-01", "--speed", "1000")
    try:
        first_ms = running.ask("GET", "/api/v3/time")["serverTime"]
        assert 1_709_251_200_000 <= first_ms < 1_709_251_200_000 + 3_600_000
    finally:
        running.stop()


@pytest.mark.parametrize("text", ["main", "main:USDT", "main:USDT=-1", "main:x.USDT=1", "1:USDT=1", "main:USDT=x"])
def test_an_account_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(SetupFailed, match="--account"):
        parse_account(text)


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "Expecting"), ("{}", "list of rules"), ('[{"fault": {"gone": true}}]', "rule 0: Fault has no gone")],
)
def test_faults_that_cannot_be_read_are_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "faults.json"
    path.write_text(content)
    with pytest.raises(SetupFailed, match=message):
        read_faults(path)


def test_it_speaks_as_two_venues_and_the_printed_programs_of_both_trade(tmp_path: Path) -> None:
    running = Running(tmp_path, "--venue", "binance", "--venue", "bybit")
    programs = running.document["ccxt"]
    assert [programs.count(name) for name in ("ccxt.binance(", "ccxt.bybit(")] == [1, 1]
    done = subprocess.run([sys.executable, "-c", programs], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 7
    assert {"spot and perp", "spot", "perp"} <= set(running.document["endpoints"])
    assert running.stop() == 0


def test_a_venue_that_cannot_be_spoken_is_refused(tmp_path: Path) -> None:
    options = ("--venue", "kraken")
    done = subprocess.run(
        [*COMMAND, *options], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "does not speak as 'kraken'" in done.stdout + done.stderr
