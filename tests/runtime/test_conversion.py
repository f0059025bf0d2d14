"""A token is renamed while the bot holds it: through the real cycle, at the wire, till the book is whole again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.candles import CandleSeries
from bot.domain.durations import HOUR_MS
from bot.domain.order import Purpose
from bot.domain.reason import Reason
from bot.domain.states import LegState, TrancheState
from bot.lab.demo.scenarios import SIM_START
from bot.runtime.cycle import CycleResult
from bot.runtime.simulator.embedded import ACCOUNT, embed, tokens_of
from bot.runtime.wiring import App
from bot.simex.engine.market import PriceKind
from bot.simex.market.aliased import Aliased
from tests.stage import Stage, golden, market_of, notes_of

D = Decimal
START_MS = int(SIM_START.timestamp() * 1000)
OPENS_MS = START_MS + HOUR_MS // 2
RATIO = 1000
OLD, NEW = "SOL", "SOLX"
OLD_PERP, NEW_PERP = f"{OLD}/USDT:USDT", f"{NEW}/USDT:USDT"
CHANGES = (
    f"universe.tokens.{NEW}={{ infra = 1 }}",
    f'universe.renames.{NEW}=[{{ was = "{OLD}", at = 2026-01-05, ratio = {RATIO} }}]',
    'universe.sectors.infra.hedge=["SOL", "SOLX"]',
    "playbook.rotation.tranche_interval_minutes=240",
)


class Renamed(Aliased):
    """A market in which the new name opens a while after the start, at the price of the old one in its own unit."""

    def listed(self, symbol: str) -> tuple[int, int | None]:
        first_ms, end_ms = super().listed(symbol)
        return (OPENS_MS if symbol.startswith(f"{NEW}/") else first_ms), end_ms

    def candles(
        self, symbol: str, timeframe_ms: int, start_ms: int, end_ms: int, limit: int, kind: PriceKind, now_ms: int
    ) -> CandleSeries:
        start_ms = max(start_ms, OPENS_MS) if symbol.startswith(f"{NEW}/") else start_ms
        return super().candles(symbol, timeframe_ms, start_ms, end_ms, limit, kind, now_ms)


@asynccontextmanager
async def renaming(directory: Path, *changes: str) -> AsyncIterator[tuple[Stage, App]]:
    """The golden case with a token that is about to be renamed."""
    settings = golden(directory, *CHANGES, *changes)
    tokens = tuple(token for token in tokens_of(settings) if token != NEW)
    aliases = {f"{NEW}/USDT{perp}": (f"{OLD}/USDT{perp}", 1 / RATIO) for perp in ("", ":USDT")}
    embedded = await embed(settings, Renamed(market_of(tokens, START_MS), aliases), START_MS)
    stage = Stage(settings, embedded)
    try:
        async with stage.app() as app:
            yield stage, app
    finally:
        await embedded.stop()


async def turns(stage: Stage, app: App, rounds: int, *, until_done: int | None = None) -> CycleResult:
    for _ in range(rounds):
        result = await stage.turn(app)
        campaign = result.decision.campaign
        if campaign is not None and until_done is not None:
            if campaign.tranches[until_done - 1].state is TrancheState.DONE and not result.has_acted:
                return result
        elif campaign is not None and campaign.is_over and not result.decision.intents:
            return result
        if not result.has_acted:
            stage.embedded.clock.skip(HOUR_MS // 4)
    pytest.fail(f"not there within {rounds} cycles")


async def look_anew(stage: Stage, app: App) -> CycleResult:
    """A cycle after what is known of the instruments has become old."""
    stage.embedded.clock.skip(HOUR_MS // 3)
    return await stage.turn(app)


@pytest.mark.slow
async def test_a_rename_between_two_tranches_costs_nothing_and_the_rotation_goes_on(tmp_path: Path) -> None:
    async with renaming(tmp_path) as (stage, app):
        exchange = stage.embedded.exchange
        first = await turns(stage, app, 20, until_done=1)
        assert first.truth.account.positions[OLD_PERP].size < 0, "the spot that waits is hedged with the leader"
        stage.embedded.clock.skip(HOUR_MS // 2)
        exchange.advance(stage.embedded.clock.now_ms())
        held = exchange.balances(ACCOUNT)[OLD].total
        before = await stage.turn(app)
        exchange.convert(OLD, NEW, D(RATIO))
        after = await stage.turn(app)
        await look_anew(stage, app)
        assert exchange.balances(ACCOUNT)[NEW].total == held * RATIO
        assert OLD not in exchange.balances(ACCOUNT)
        assert after.portfolio.equity == pytest.approx(before.portfolio.equity, rel=D("0.001"))
        assert after.truth.is_agreed
        assert not after.truth.locked
        told = [note for result in stage.results for note in notes_of(result)]
        words = {note.words for note in told if note.reason is Reason.TOKEN_RENAMED}
        assert any(text.startswith("the exchange made") for text in words), words
        assert any("it is opened again on" in text for text in words), words
        assert any(note.reason is Reason.DELISTING_SETTLED for note in told)
        await turns(stage, app, 40)
        campaign = stage.results[-1].decision.campaign
        assert campaign is not None
        legs = [leg for tranche in campaign.tranches for leg in tranche.legs]
        assert {leg.symbol for leg in legs if leg.purpose is Purpose.HEDGE} == {OLD_PERP, NEW_PERP}
        assert {leg.symbol for leg in campaign.tranches[1].legs if leg.purpose is Purpose.REDUCE} >= {f"{NEW}/USDT"}
        assert all(leg.state is LegState.DONE for leg in legs if leg.symbol.startswith(NEW)), legs
        spots = [result.portfolio.sectors["infra"].spot for result in stage.results]
        shorts = [
            sum(-p.size * p.mark_price for p in r.portfolio.account.positions.values() if p.size < 0)
            for r in stage.results
        ]
        assert all(short <= spot for short, spot in zip(shorts, spots, strict=True))
        await stage.check_books(app)


async def test_a_balance_under_the_former_name_counts_once_is_told_and_is_never_sold(tmp_path: Path) -> None:
    async with renaming(tmp_path) as (stage, app):
        exchange = stage.embedded.exchange
        before = await stage.turn(app)
        await turns(stage, app, 20, until_done=1)
        stage.embedded.clock.skip(HOUR_MS)
        exchange.advance(stage.embedded.clock.now_ms())
        exchange.delist(f"{OLD}/USDT")
        held = exchange.balances(ACCOUNT)[OLD].total
        waiting = await look_anew(stage, app)
        (note,) = [n for n in waiting.decision.notes if n.reason is Reason.TOKEN_RENAMED and n.subject == OLD]
        assert f"are of a token that became {NEW}" in note.words
        assert waiting.portfolio.unpriced == ()
        assert waiting.portfolio.equity == pytest.approx(before.portfolio.equity, rel=D("0.01"))
        for _ in range(4):
            await stage.turn(app)
            stage.embedded.clock.skip(HOUR_MS)
        assert exchange.balances(ACCOUNT)[OLD].total == held
        truth = await app.cycle.settle()
        assert truth.is_agreed
