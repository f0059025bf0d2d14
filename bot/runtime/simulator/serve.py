"""`sectorbot exchange`: the embedded exchange on its own, for clients that are not this bot, until it is stopped.

Market, accounts and keys are ready before its clock starts. With a state directory the accounts, their keys, the moved
prices and the exchange's own time are kept over a restart; rate limits and ordered faults are not.
"""

import asyncio
import json
import os
import secrets
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from bot.atomic_file import publish
from bot.domain.durations import DAY_MS
from bot.domain.money import ZERO
from bot.domain.symbol import base_of, is_perp
from bot.ports import SetupFailed
from bot.runtime.simulator.embedded import ANCHORS, anchored_market
from bot.runtime.simulator.reach import DOCUMENT_NAME, document_of
from bot.simex.control import rule_of
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.market import Market
from bot.simex.engine.snapshot import Key
from bot.simex.faults import FaultPlan
from bot.simex.market.catalogue import (
    default_instruments,
    recorded_bands,
    recorded_price_bounds,
    recorded_price_digits,
    recorded_rules,
)
from bot.simex.market.moved import MovedMarket
from bot.simex.public_keys import PublicKey, read_public_key
from bot.simex.server import FIRST_DIALECTS, Delay, Simex
from bot.simex.signing import ApiKey
from bot.simex.store import Store, StoreError

QUOTE = "USDT"
DEFAULT_ACCOUNT = "main:USDT=10000,BTC=0.1,ETH=2,perp.USDT=10000"
LAST_MS = 4_102_444_800_000  # 2100: candles of a directory are read to their end
HISTORY_MS = 150 * DAY_MS
RECORDS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What the command line asks for. `start_ms` None: the wall clock's time, at speed 1."""

    http_port: int = 0
    https_port: int = 0
    start_ms: int | None = None
    speed: float = 1.0
    seed: int = 1
    scenario: str = "golden"
    market: Path | None = None
    tokens: tuple[str, ...] = tuple(ANCHORS)
    accounts: tuple[str, ...] = (DEFAULT_ACCOUNT,)
    public_keys: tuple[str, ...] = ()
    faults: Path | None = None
    control: bool = False
    state: Path | None = None
    venues: tuple[str, ...] = FIRST_DIALECTS
    latency_ms: int = 0
    jitter_ms: int = 0
    depth: float = 1.0
    limits_scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Deposits:
    """What an account begins with."""

    name: str
    spot: Mapping[str, Decimal]
    perp: Mapping[str, Decimal]


def parse_account(text: str) -> Deposits:
    """`NAME:ASSET=AMOUNT,perp.ASSET=AMOUNT`.

    Raises:
        SetupFailed: naming the part that cannot be read.
    """
    name, colon, rest = text.partition(":")
    wallets: dict[str, dict[str, Decimal]] = {"spot": {}, "perp": {}}
    for part in filter(None, rest.split(",")):
        asset, _, amount_text = part.partition("=")
        wallet, _, own = asset.rpartition(".")
        try:
            amount = Decimal(amount_text)
        except InvalidOperation:
            amount = Decimal("nan")
        if (wallet or "spot") not in wallets or not own.isalnum() or not amount.is_finite() or amount <= 0:
            raise SetupFailed(f"--account {text}: {part!r} is not ASSET=AMOUNT or perp.ASSET=AMOUNT, as in BTC=0.5")
        wallets[wallet or "spot"][own] = amount
    if not name.isidentifier() or not colon:
        raise SetupFailed(f"--account {text}: give NAME:ASSET=AMOUNT,…, as in {DEFAULT_ACCOUNT}")
    return Deposits(name, wallets["spot"], wallets["perp"])


def read_keys(texts: Iterable[str]) -> tuple[tuple[str, PublicKey], ...]:
    """(account, key) of each `NAME:FILE`.

    Raises:
        SetupFailed: naming the option and what is wrong with it.
    """
    result = []
    for text in texts:
        name, colon, file = text.partition(":")
        if not colon or not name.isidentifier():
            raise SetupFailed(f"--public-key {text}: give NAME:FILE, as in main:public.pem")
        try:
            result.append((name, read_public_key(Path(file).read_text(encoding="utf-8"))))
        except (OSError, ValueError) as error:
            raise SetupFailed(f"--public-key {text}: {error}") from error
    return tuple(result)


def read_faults(path: Path | None) -> FaultPlan:
    """The rules of a JSON file: a list of objects as POST /simex/fault takes one.

    Raises:
        SetupFailed: with the number of the rule and what is wrong with it.
    """
    plan = FaultPlan()
    if path is None:
        return plan
    try:
        requested = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SetupFailed(f"--faults {path}: {error}") from error
    if not isinstance(requested, list):
        raise SetupFailed(f"--faults {path}: the file must be a JSON list of rules")
    for number, rule in enumerate(requested):
        try:
            plan.add(rule_of(rule))
        except (TypeError, ValueError) as error:
            raise SetupFailed(f"--faults {path}: rule {number}: {error}") from error
    return plan


class ServedExchange:
    """The exchange of one command: built, served, saved. A signal sets `ended`, and a state that cannot be kept."""

    def __init__(self, options: ServeOptions) -> None:
        self._options = options
        self.ended = asyncio.Event()
        self.failure = ""
        faults, self._deposits = read_faults(options.faults), [parse_account(text) for text in options.accounts]
        self._given_keys = read_keys(options.public_keys)
        self._store = None if options.state is None else Store(options.state / "exchange.db")
        try:
            self._build(faults)
        except BaseException:
            self.close()
            raise

    def _build(self, faults: FaultPlan) -> None:
        options, rows = self._options, self._store.load() if self._store is not None else {}
        self._about = self._described(rows)
        start_ms = int(self._about["start_ms"])
        self.market = MovedMarket(_market(options, start_ms))
        self.market.restore(rows.get(("moves",), {}))
        instruments = _instruments(self.market, start_ms)
        rules = replace(
            recorded_rules(instruments),
            bands=recorded_bands(instruments),
            price_bounds=recorded_price_bounds(instruments.values()),
            price_digits=recorded_price_digits(instruments.values()),
            depth_scale=options.depth,
            records_max=RECORDS_MAX,
        )
        self.exchange = Exchange(instruments=instruments, market=self.market, start_ms=start_ms, rules=rules)
        if rows:
            self.exchange.restore(rows)
        self.keys = {name: ApiKey(pair[0], pair[1], name) for name, pair in rows.get(("keys",), {}).items()}
        self.signing_keys = {pem: _signing_key(name, key, pem) for key, name, pem in rows.get(("public_keys",), [])}
        for deposits in self._deposits:
            self._open(deposits)
        for name, public in self._given_keys:
            if name not in self.keys:
                raise SetupFailed(f"--public-key {name}: no account has this name; --account {name}:… opens one")
            self.signing_keys.setdefault(public.pem, _signing_key(name, secrets.token_hex(32), public.pem))
        for symbol in self.exchange.instruments:  # makes the paths, so that the clock starts on a ready market
            self.exchange.quote(symbol)
        if options.start_ms is None:
            self.exchange.advance(time.time_ns() // 1_000_000)
        self.server = Simex(
            self.exchange,
            keys={key.key: key for key in (*self.keys.values(), *self.signing_keys.values())},
            speed=options.speed,
            limits_scale=options.limits_scale,
            faults=faults,
            market=self.market,
            control=options.control,
            save=self.save if self._store is not None else None,
            id_salt=f"{self.exchange.now_ms}/" if rows else "",
        )
        self._choose_dialects()
        self.server.restore_dialects(rows)
        self.server.set_delay(Delay(options.latency_ms, options.jitter_ms, options.seed))
        self.save()

    def _choose_dialects(self) -> None:
        """Answer as the venues that are asked for. SetupFailed for one that is not known."""
        try:
            self.server.serve_dialects(self._options.venues)
        except ValueError as error:
            raise SetupFailed(f"--venue: {error}") from error

    def _described(self, rows: Mapping[Key, Any]) -> Mapping[str, Any]:
        """The market that the state belongs to. SetupFailed when another one is asked for."""
        options = self._options
        requested = {
            "seed": options.seed,
            "scenario": options.scenario,
            "market": "" if options.market is None else str(options.market.absolute()),
            "tokens": list(options.tokens),
        }
        kept = rows.get(("about",))
        if kept is None:
            begin_ms = time.time_ns() // 1_000_000 if options.start_ms is None else options.start_ms
            return {**requested, "start_ms": begin_ms, "id": secrets.token_hex(8)}
        for name, value in requested.items():
            if kept[name] != value:
                raise SetupFailed(
                    f"--state {options.state}: its accounts belong to {name} {kept[name]!r}, not {value!r}; "
                    f"give the same, or another directory"
                )
        return {"id": secrets.token_hex(8), **kept}  # states of before have no name

    def _open(self, deposits: Deposits) -> None:
        """A new account with its key; one that is known keeps what it has."""
        name = deposits.name
        if name in self.exchange.account_names():
            return
        perp = dict(deposits.perp)
        self.exchange.create_account(name, spot=deposits.spot, perp=perp.pop(QUOTE, ZERO), perp_assets=perp)
        self.keys[name] = ApiKey(secrets.token_hex(32), secrets.token_hex(32), name)

    def save(self) -> None:
        """Write what changed; StoreError, after which the exchange must not go on."""
        if self._store is None:
            return
        try:
            self._store.save(self._rows())
        except StoreError as error:
            self.failure = str(error)
            self.ended.set()
            raise

    def _rows(self) -> Iterator[tuple[Key, Any]]:
        yield ("about",), dict(self._about)
        yield ("keys",), {name: [key.key, key.secret] for name, key in self.keys.items()}
        yield ("public_keys",), [[key.key, key.account, pem] for pem, key in self.signing_keys.items()]
        yield ("moves",), {symbol: [list(step) for step in steps] for symbol, steps in self.market.steps.items()}
        yield from self.server.dialect_rows()
        yield from self.exchange.rows()

    def close(self) -> None:
        if self._store is not None:
            self._store.close()

    def document(self) -> dict[str, Any]:
        """What a client must know, as `--json` prints it."""
        reach = document_of(
            self.server, self.keys.values(), self.signing_keys.values(), has_control=self._options.control
        )
        market = {name: self._about[name] for name in ("seed", "scenario", "market", "tokens", "start_ms")}
        return reach | {"id": self._about["id"], "venues": list(self._options.venues), "market": market}


def serve(options: ServeOptions, on_ready: Callable[[dict[str, Any]], None]) -> None:
    """Serve until SIGINT or SIGTERM; `on_ready` gets the document once it listens.

    Raises:
        SetupFailed: for options, files or a state that cannot be used, and when the state can no longer be kept.
        OSError: when a port is taken.
    """
    asyncio.run(_serve(options, on_ready))


async def _serve(options: ServeOptions, on_ready: Callable[[dict[str, Any]], None]) -> None:
    with _one_line():
        async with serving(options) as served:
            stop_at_signals(served.ended)
            on_ready(served.document())
            await served.ended.wait()


@asynccontextmanager
async def serving(options: ServeOptions) -> AsyncIterator[ServedExchange]:
    """The exchange while it listens; what the bot reads to trade there is written when it has a state.

    Raises:
        SetupFailed, StoreError, ValueError, OSError: see `serve`.
    """
    served = ServedExchange(options)
    try:
        with tempfile.TemporaryDirectory(prefix="simex-") as temporary:
            tls_dir = Path(temporary) if options.state is None else options.state
            await served.server.start(http_port=options.http_port, https_port=options.https_port, tls_dir=tls_dir)
            try:
                if options.state is not None:
                    _write_document(options.state / DOCUMENT_NAME, served.document())
                yield served
            finally:
                await served.server.stop()
            if served.failure:
                raise SetupFailed(served.failure)
            served.save()
    finally:
        served.close()


def _write_document(path: Path, document: Mapping[str, Any]) -> None:
    """What the bot reads to trade here: it holds keys, so only its owner may."""
    written = path.with_suffix(".new")
    written.unlink(missing_ok=True)
    with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(document, file)
    publish(written, path)


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except (StoreError, ValueError) as error:
        raise SetupFailed(str(error)) from error


def stop_at_signals(stopped: asyncio.Event) -> None:
    """Set the event at Ctrl-C and at SIGTERM, also where the parent process ignores them."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)


def _signing_key(account: str, key: str, pem: str) -> ApiKey:
    return ApiKey(key, "", account, public=read_public_key(pem))


def _market(options: ServeOptions, start_ms: int) -> Market:
    if options.market is None:
        return anchored_market(options.seed, start_ms, options.tokens, options.scenario)
    try:
        from bot.simex.market.parquet import MarketFolderError, load_market  # the extra `data`, needed nowhere else
    except ImportError as error:
        remedy = "run `make data` in the checkout, or `pip install '.[data]'`"
        raise SetupFailed(f"--market needs the package {error.name}: {remedy}") from error
    try:
        return load_market(options.market, options.tokens, start_ms=start_ms - HISTORY_MS, end_ms=LAST_MS)
    except (MarketFolderError, OSError, ValueError) as error:
        raise SetupFailed(f"--market {options.market}: {error}") from error


def _instruments(market: Market, start_ms: int) -> Mapping[str, Any]:
    """Every symbol of the market, on grids that fit its price at the start."""
    prices = {
        base_of(symbol): market.at(symbol, max(start_ms, market.listed(symbol)[0])).mid
        for symbol in market.symbols
        if not is_perp(symbol)
    }
    return {s: i for s, i in default_instruments(tuple(prices), prices).items() if s in set(market.symbols)}
