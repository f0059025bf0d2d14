"""A bot on an exchange of its own that a test can disturb: the golden case, real wiring, unmodified ccxt over HTTPS."""

import asyncio
import math
import secrets
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from bot.domain.codec import encode
from bot.domain.durations import HOUR_MS
from bot.domain.instrument import Instrument
from bot.domain.order_ids import is_ours
from bot.domain.reason import Note
from bot.lab.demo.scenarios import SIM_START
from bot.runtime import wiring
from bot.runtime.clock import SkippingClock
from bot.runtime.cycle import CycleResult
from bot.runtime.settings.model import Settings, Sources, packaged_config
from bot.runtime.simulator.embedded import (
    ACCOUNT,
    ANCHORS,
    Embedded,
    MarketMacro,
    MarketTvl,
    embed,
    tokens_of,
)
from bot.runtime.wiring import App
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.rules import Rules
from bot.simex.engine.snapshot import Key
from bot.simex.engine.types import ExchangeEvent, SimOrder
from bot.simex.faults import Fault, FaultRule
from bot.simex.market.synthetic import SyntheticMarket
from bot.simex.server import Simex
from bot.simex.signing import ApiKey
from bot.venues.ccxt.venue import Seams
from tests.client_ids import leg_of

ROUNDS = 40
QUIET_MS = 15_000
START_MS = int(SIM_START.timestamp() * 1000)
SPOT_ORDER, PERP_ORDER = "/api/v3/order", "/fapi/v1/order"
QUICK = (
    "execution.timing.poll_interval_ms=20",
    "execution.timing.not_found_interval_ms=20",
    "execution.timing.mismatch_interval_ms=20",
    "execution.timing.post_deadline_ms=2000",
    "execution.timing.backoff_ms=20",
)
KEPT = ("UNI", "AAVE", "LDO", "ETH", "SOL", "AVAX")
DROPPED = (
    "CRV",
    "COMP",
    "SUSHI",
    "SNX",
    "PENDLE",
    "DYDX",
    "CAKE",
    "LINK",
    "ADA",
    "DOT",
    "NEAR",
    "ATOM",
    "FIL",
    "APT",
    "INJ",
    "ARB",
)
FEW = (
    *(f"universe.tokens.{token}=false" for token in DROPPED),
    "universe.sectors.defi.weight_max=0.5",
    "universe.sectors.infra.weight_max=0.5",
    "risk.executions_per_hour_max=200",
)


def golden(directory: Path, *changes: str) -> Settings:
    """The golden settings, trading in the simulation, all state below `directory`."""
    assignments = ("environment=sim", "mode=trade", "venue.account=demo", f'state_directory="{directory}"')
    files = (packaged_config() / "golden.toml",)
    return Sources(files=files, assignments=(*QUICK, *FEW, *assignments, *changes)).load()


@dataclass
class Stage:
    """One exchange and the directory of one bot; the App over them may come and go."""

    settings: Settings
    embedded: Embedded
    results: list[CycleResult] = field(default_factory=list)
    skips_waits: bool = True

    async def build(self) -> App:
        """The App, whose throttle skips the clock of both sides instead of waiting, unless time is what is measured."""
        make = build_on if self.skips_waits else wiring.build
        return await make(self.settings, embedded=self.embedded)

    @asynccontextmanager
    async def app(self) -> AsyncIterator[App]:
        app = await self.build()
        try:
            yield app
        finally:
            await app.close()

    def spoil(self, fault: Fault, method: str = "*", path: str = "*", *, skip: int = 0, times: int | None = 1) -> None:
        self.embedded.server.faults.add(FaultRule(fault, method, path, skip=skip, times=times))

    def heal(self) -> None:
        self.embedded.server.faults.disarm()

    @property
    def fault_count(self) -> int:
        return len(self.embedded.server.faults.hits)

    async def turn(self, app: App) -> CycleResult:
        result = await app.cycle.run()
        self.results.append(result)
        return result

    async def rotate(self, app: App, rounds: int = ROUNDS) -> None:
        """Cycles until the campaign is over, time skipped whenever nothing moves."""
        for _ in range(rounds):
            result = await self.turn(app)
            campaign = result.decision.campaign
            if campaign is not None and campaign.is_over and not result.decision.intents:
                return
            if not result.has_acted:
                self.embedded.clock.skip(HOUR_MS)
        pytest.fail(f"the rotation did not finish within {rounds} cycles")

    def orders(self) -> list[SimOrder]:
        """Every order of ours the exchange has ever taken."""
        exchange = self.embedded.exchange
        found = [order for symbol in exchange.instruments for order in exchange.orders(ACCOUNT, symbol)]
        return [order for order in found if is_ours(order.client_id, ACCOUNT)]

    def writes(self, path: str = "/order") -> int:
        """How many orders were posted so far, refused ones included."""
        log = self.embedded.server.request_log
        return sum(method == "POST" and where.endswith(path) for _, method, where, _ in log)

    def executed(self) -> dict[str, Decimal]:
        """What the exchange executed by leg: the client id without epoch, slice and attempt."""
        legs: dict[str, Decimal] = {}
        for order in self.orders():
            leg = leg_of(order.client_id)
            legs[leg] = legs.get(leg, Decimal(0)) + order.filled_size
        return {leg: size for leg, size in legs.items() if size}

    @contextmanager
    def answering(self, chosen: Callable[[WireRequest], WireReply | None]) -> Iterator[list[WireRequest]]:
        """The exchange answers with what `chosen` makes of a request, as usual where that is None; yields all asked."""
        server, asked = self.embedded.server, list[WireRequest]()
        original = server.respond

        def respond(request: WireRequest) -> WireReply:
            asked.append(request)
            return chosen(request) or original(request)

        server.respond = respond  # type: ignore[method-assign]
        try:
            yield asked
        finally:
            server.respond = original  # type: ignore[method-assign]

    async def check_books(self, app: App) -> None:
        """Journal and exchange tell the same story: every order, every size, every holding."""
        truth = await app.cycle.settle()
        assert truth.is_agreed, truth.notes
        assert not truth.locked
        known = {order.client_id: order for order in app.journal.reader.load_orders(10_000)}
        theirs = [order for order in self.orders() if order.child_id is None]  # a stop that fired is its child's parent
        assert max(Counter((o.symbol, o.client_id) for o in theirs).values(), default=1) == 1, "an id was used twice"
        for order in theirs:
            ours = known.get(order.client_id)
            assert ours is not None, f"the journal does not know {order.client_id}"
            assert ours.filled_size == order.filled_size, (ours, order)
        executed = {order.client_id for order in theirs}
        assert {o.client_id for o in known.values() if o.filled_size > 0} <= executed
        self.embedded.exchange.audit()
        app.journal.reader.verify()


def notes_of(result: CycleResult) -> list[Note]:
    """Everything a turn has said about itself."""
    refused = [verdict.note for verdict in result.verdicts if hasattr(verdict, "note")]
    acted = [note for outcome in result.outcomes for note in outcome.notes]
    return [*result.decision.notes, *refused, *acted, *result.notes, *result.truth.notes]


async def build_on(settings: Settings, *, embedded: Embedded) -> App:
    """An App on an exchange with a clock that can be skipped: its throttle does so instead of waiting."""

    async def skip_wait(seconds: float) -> None:
        embedded.clock.skip(math.ceil(seconds * 1000))
        await asyncio.sleep(0)

    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(wiring, "Seams", partial(Seams, sleep=skip_wait))
        return await wiring.build(settings, embedded=embedded)


@cache
def market_of(tokens: tuple[str, ...], start_ms: int) -> SyntheticMarket:
    """The golden market. It only ever answers, so tests may share it; computing its past is what takes the time."""
    anchors = {token: ANCHORS[token] for token in tokens if token in ANCHORS}
    return SyntheticMarket(seed=1, start_ms=start_ms, tokens=tokens, scenario="golden", anchor_prices=anchors)


@asynccontextmanager
async def staged(directory: Path, *changes: str) -> AsyncIterator[Stage]:
    settings = golden(directory, *changes)
    embedded = await embed(settings, market_of(tokens_of(settings), START_MS), START_MS)
    try:
        yield Stage(settings, embedded)
    finally:
        await embedded.stop()


@dataclass(frozen=True)
class _Rotated:
    """What a rotation has left: the exchange as it was made and as it is, and the files of the bot by their names."""

    instruments: Mapping[str, Instrument]
    rules: Rules
    rows: Mapping[Key, Any]
    history: tuple[ExchangeEvent, ...]
    files: Mapping[Path, bytes]
    results: tuple[CycleResult, ...]

    def exchange(self, market: SyntheticMarket) -> Exchange:
        made = Exchange(instruments=self.instruments, market=market, start_ms=START_MS, rules=self.rules)
        made.restore(self.rows)
        made._state.history.extend(self.history)
        return made


_ROTATED: list[_Rotated] = []


@asynccontextmanager
async def rotated(directory: Path, *changes: str) -> AsyncIterator[Stage]:
    """A stage whose golden rotation is over, for a bot that comes back to its positions, their stops and its journal.

    The rotation is made once in a process. Every test gets a copy of the exchange and of the bot's files; `changes`
    are of the bot that comes back.
    """
    if not _ROTATED:
        with tempfile.TemporaryDirectory(dir=directory) as first:
            _ROTATED.append(await _rotate(Path(first)))
    left, settings = _ROTATED[0], golden(directory, *changes)
    for name, content in left.files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
    market = market_of(tokens_of(settings), START_MS)
    exchange = left.exchange(market)
    clock, key = SkippingClock(exchange.now_ms), ApiKey(secrets.token_hex(32), secrets.token_hex(32), ACCOUNT)
    server = Simex(exchange, keys={key.key: key}, clock=clock.now_ms)
    server.serve_dialects(tuple(dict.fromkeys(account.id for account in settings.venue.accounts)))
    tls = Path(tempfile.mkdtemp(prefix="simex-"))
    await server.start(tls_dir=tls)
    embedded = Embedded(exchange, server, clock, key, tls, MarketTvl(market, clock), MarketMacro(market, clock))
    try:
        yield Stage(settings, embedded, list(left.results))
    finally:
        await embedded.stop()


async def _rotate(directory: Path) -> _Rotated:
    async with staged(directory) as stage:
        exchange = stage.embedded.exchange
        instruments = exchange.instruments
        async with stage.app() as app:
            await stage.rotate(app)
        stage.embedded.server.advance(0)  # the exchange stands at the time of the bot's last record
        rows = {key: encode(row) for key, row in exchange.rows()}
        files, results = _files_below(directory), tuple(stage.results)
        return _Rotated(instruments, exchange.rules, rows, exchange.history, files, results)


def _files_below(directory: Path) -> dict[Path, bytes]:
    return {path.relative_to(directory): path.read_bytes() for path in directory.rglob("*") if path.is_file()}
