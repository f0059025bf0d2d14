"""The exchange process: simex on a synthetic market under the shared clock.

Prints one JSON line with ports, certificates, keys and clock, then serves until standard input closes. A line on
standard input is the name of a file: all the exchange knows of the account is written there, and the name is printed.

`python -m tests.soak.exchange --seed 1 --speed 10 --directory DIR`
"""

import argparse
import asyncio
import json
import secrets
import sys
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from bot.domain.codec import encode
from bot.domain.money import ZERO
from bot.lab.demo.scenarios import SIM_START
from bot.runtime.settings.model import Settings, Sources, packaged_config
from bot.runtime.simulator.embedded import ANCHORS, neutral_holdings, tokens_of
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.types import EventKind, ExchangeEvent
from bot.simex.market.catalogue import default_instruments
from bot.simex.market.synthetic import SyntheticMarket
from bot.simex.server import FIRST_DIALECTS, ApiKey, Simex
from bot.venues.registry import abilities_of
from tests.client_ids import leg_of
from tests.soak.clock import SharedClock
from tests.stage import FEW

ACCOUNT, PERP_ACCOUNT = "soak", "soak_perps"
EVERYTHING = 10**9


class Watch:
    """What must never be at the exchange, looked at with every change: two live orders of one leg.

    Each entry names the leg, the ids that were live and the one that came second.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.doubles: list[dict[str, Any]] = []
        self._live: dict[tuple[str, int], str] = {}
        exchange.listeners.append(self._hear)

    def _hear(self, event: ExchangeEvent) -> None:
        order = event.order
        if order is None or event.kind not in _ORDER_EVENTS:
            return
        key = (order.symbol, order.id)
        if not order.is_open:
            self._live.pop(key, None)
            return
        leg = leg_of(order.client_id)
        before = [other for at, other in self._live.items() if at != key and leg_of(other) == leg]
        self._live[key] = order.client_id
        if before and event.kind is EventKind.ORDER_PLACED:
            self.doubles.append({"leg": leg, "live": before, "second": order.client_id})


_ORDER_EVENTS = (
    EventKind.ORDER_PLACED,
    EventKind.ORDER_FILLED,
    EventKind.ORDER_CANCELED,
    EventKind.ORDER_EXPIRED,
    EventKind.ORDER_TRIGGERED,
    EventKind.ORDER_REJECTED,
)


def soak_settings(directory: Path, *changes: str) -> Settings:
    """The golden settings over six tokens, without the limits that a rotation without end would meet."""
    files = (packaged_config() / "golden.toml",)
    return Sources(files=files, assignments=(*FEW, *ENDLESS, f'state_directory="{directory}"', *changes)).load()


ENDLESS = (
    "environment=sim",
    "mode=trade",
    f"venue.account={ACCOUNT}",
    "cadence.cycle_seconds=0.5",
    "cadence.guard_seconds=0.3",
    "playbook.tactical.confidence=0",
    "risk.order_notional_max_quote=4000",
    "journal.keep_snapshots=20",
    "execution.receive_window_ms=10000",
    "execution.timing.poll_interval_ms=50",
    "execution.timing.not_found_interval_ms=50",
    "execution.timing.mismatch_interval_ms=100",
    "execution.timing.backoff_ms=50",
    "execution.timing.post_deadline_ms=2000",
    "execution.timing.read_deadline_ms=4000",
    "execution.timing.settle_deadline_ms=20000",
    "risk.price_age_max_ms=600000",
    "risk.balance_age_max_ms=600000",
    "risk.clock_skew_max_ms=30000",
    "risk.latency_max_ms=60000",
    "risk.turnover_max=100",
    "risk.executions_per_hour_max=10000",
    "risk.fills_per_minute_max=10000",
    "risk.orders_per_minute_max=1000",
    "risk.rejections_max=1000",
    "risk.failed_turns_max=1000",
    "risk.daily_loss_max=1",
    "risk.drawdown_max=1",
)


def venues_of(settings: Settings) -> tuple[str, ...]:
    """The venues of spot and of perps, one where both are there."""
    return tuple(dict.fromkeys(account.id for account in settings.venue.accounts))


def accounts_of(settings: Settings) -> tuple[str, str]:
    """The exchange's accounts of spot and of perps."""
    return ACCOUNT, PERP_ACCOUNT if settings.venue.is_pair else ACCOUNT


def open_exchange(settings: Settings, seed: int, scenario: str, start_ms: int) -> Exchange:
    """An account at the neutral weights on a market of the universe's tokens, or one of spot and one of perps."""
    tokens = tokens_of(settings)
    anchors = {token: ANCHORS[token] for token in tokens}
    market = SyntheticMarket(seed=seed, start_ms=start_ms, tokens=tokens, scenario=scenario, anchor_prices=anchors)
    prices = {token: market.at(f"{token}/USDT", start_ms).mid for token in tokens}
    instruments = default_instruments(tokens, prices)
    exchange = Exchange(instruments=instruments, market=market, start_ms=start_ms)
    policy, book_quote = settings.playbook, settings.paper.book_quote
    spot = neutral_holdings(exchange, instruments, policy, settings.universe, book_quote)
    shares = [policy.allocation.neutral.get(f"{name}.futures", ZERO) for name in settings.universe.sectors]
    futures, quote = sum(shares, ZERO) * book_quote, settings.universe.quote
    is_pair = settings.venue.is_pair
    exchange.create_account(ACCOUNT, spot=spot, perp=ZERO if is_pair else futures, quote=quote)
    if is_pair:
        exchange.create_account(PERP_ACCOUNT, spot={}, perp=futures, quote=quote)
    return exchange


def holdings_of(exchange: Exchange, accounts: tuple[str, str]) -> dict[str, Any]:
    """Spot of the first account, the perp wallet and positions of the second. Of two accounts each is one wallet for
    its kind of market, whatever part of its money the exchange has in the other of its two."""
    spot, perp = accounts
    balances = {asset: balance.total for asset, balance in exchange.balances(spot).items()}
    wallet = exchange.wallet(perp).balance
    if spot != perp:
        balances["USDT"] = balances.get("USDT", ZERO) + exchange.wallet(spot).balance
        cash = exchange.balances(perp).get("USDT")
        wallet += ZERO if cash is None else cash.total
    return {
        "spot": {asset: str(total) for asset, total in balances.items()},
        "wallet": str(wallet),
        "positions": {position.symbol: str(position.size) for position in exchange.positions(perp)},
    }


def dump_of(exchange: Exchange, accounts: tuple[str, str], begin: dict[str, Any], watch: Watch) -> dict[str, Any]:
    """Everything the exchange knows of the accounts: orders, trades, statement, holdings then and now."""
    asked = [(name, symbol) for name in dict.fromkeys(accounts) for symbol in exchange.instruments]
    return {
        "now_ms": exchange.now_ms,
        "begin_ms": int(SIM_START.timestamp() * 1000),
        "begin": begin,
        "end": holdings_of(exchange, accounts),
        "orders": [encode(o) for name, s in asked for o in exchange.orders(name, s, limit=EVERYTHING)],
        "trades": [encode(t) for name, s in asked for t in exchange.trades(name, s, limit=EVERYTHING)],
        "income": [encode(row) for name in dict.fromkeys(accounts) for row in exchange.income(name, limit=EVERYTHING)],
        "marks": {p.symbol: str(p.mark) for p in exchange.positions(accounts[1])},
        "doubles": watch.doubles,
        "deposited": {asset: str(amount) for asset, amount in exchange.audit().items()},
    }


async def serve(options: argparse.Namespace) -> None:
    directory: Path = options.directory
    settings = soak_settings(directory, *options.venues)
    accounts, venues = accounts_of(settings), venues_of(settings)
    start_ms = int(SIM_START.timestamp() * 1000)
    exchange = open_exchange(settings, options.seed, options.scenario, start_ms)
    watch, begin = Watch(exchange), holdings_of(exchange, accounts)
    clock = SharedClock(directory / "clock", start_ms=start_ms, base_ns=time.monotonic_ns(), speed=options.speed)
    keys = [ApiKey(secrets.token_hex(32), secrets.token_hex(32), name) for name in dict.fromkeys(accounts)]
    server = Simex(exchange, keys={key.key: key for key in keys}, clock=clock.now_ms, limits_scale=Decimal(10))
    server.serve_dialects(venues)
    await server.start(tls_dir=directory / "tls")
    hello = {
        "https_port": server.https_port,
        "http_port": server.http_port,
        "ca": str(server.ca_path),
        "certificate": str(directory / "tls" / "server.pem"),
        "keys": [[key.key, key.secret, key.account] for key in keys],
        "clock": clock.words,
    }
    print(json.dumps(hello), flush=True)
    try:
        async for line in _lines():
            server.advance(0)
            is_unified = len(venues) == 1 and accounts[0] == accounts[1] and abilities_of(venues[0]).is_unified
            _dump(Path(line), {**dump_of(exchange, accounts, begin, watch), "is_unified": is_unified})
            print(line, flush=True)
    finally:
        await server.stop()


def _dump(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content))


async def _lines() -> AsyncIterator[str]:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line.decode().strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speed", type=int, default=10)
    parser.add_argument("--scenario", default="golden")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--venues", nargs="+", default=[f"venue.id={FIRST_DIALECTS[0]}"], help="settings of venues")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
