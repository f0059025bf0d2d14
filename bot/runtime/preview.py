"""What the bot would do now: one look, one decision, one review. Writes nothing, sends nothing, takes no lock."""

import time
from dataclasses import replace

from bot.domain.campaign import Memory
from bot.domain.money import ZERO
from bot.domain.order import Order
from bot.domain.states import KillLevel
from bot.execution.reconcile import Truth
from bot.journal.journal import JournalReader
from bot.playbook.book.portfolio import build_portfolio
from bot.playbook.decide import decide
from bot.ports import Unavailable
from bot.risk import RiskContext, fit_to_depth, review
from bot.runtime.clock import SystemClock
from bot.runtime.cycle import CycleResult, mark_equity
from bot.runtime.observer_setup import make_observer
from bot.runtime.settings.model import Settings
from bot.runtime.settings.proxy_hint import with_proxy_hint
from bot.runtime.simulator.sim_port import start_companion
from bot.runtime.wiring import OneSession, make_macro, make_tvl, make_venue, policy_for, wanted_of


async def preview(settings: Settings) -> CycleResult:
    """The next cycle, undone. Memory and working orders come from the journal when there is one.

    Raises:
        SetupFailed, Unavailable: as for a cycle.
    """
    started = time.monotonic()
    embedded = await start_companion(settings)
    clock = embedded.clock if embedded else SystemClock()
    venue, session = make_venue(settings, clock, embedded), OneSession(trust_env=settings.venue.trust_env)
    reader = JournalReader(settings.journal_path) if settings.journal_path.is_file() else None
    try:
        await venue.open()
        memory, working, kill = _remembered(settings, reader)
        tvl = make_tvl(settings, clock, embedded, session)
        macro = make_macro(settings, clock, embedded, session)
        observer = make_observer(venue, wanted_of(settings), settings, tvl=tvl, macro=macro, reader=reader)
        snapshot = await observer.observe()
        account = await venue.fetch_account()
        policy, sectors = policy_for(settings, venue), settings.universe
        portfolio = build_portfolio(account, snapshot, memory, policy, sectors)
        memory = mark_equity(memory, portfolio, snapshot.at_ms)
        decision = decide(snapshot, portfolio, memory, policy, sectors, working)
        snapshot = await observer.with_books(snapshot, tuple({intent.symbol for intent in decision.intents}))
        decision = replace(decision, intents=fit_to_depth(decision.intents, snapshot, settings.risk))
        truth = Truth(account, working, is_agreed=True, locked=frozenset())
        context = RiskContext(
            now_ms=venue.now_ms(), snapshot=snapshot, portfolio=portfolio, working=working, memory=decision.memory,
            kill=kill, is_reconciled=True, locked=truth.locked, clock_skew_ms=venue.clock_skew_ms,
            turnover_today_quote=ZERO, orders_last_minute=0, recent_fills=0, hedges=decision.memory.hedges,
        )  # fmt: skip
        verdicts = review(decision.intents, context, settings.risk)
        seconds = time.monotonic() - started
        return CycleResult(
            0, "plan", snapshot, portfolio, decision, tuple(verdicts), (), truth, kill, (), seconds,
            funding_hours=policy.funding_average_hours, policy=policy,
        )  # fmt: skip
    except Unavailable as error:
        error.args = (with_proxy_hint(str(error), trust_env=settings.venue.trust_env),)
        raise
    finally:
        if reader is not None:
            reader.close()
        await venue.close()
        await session.close()
        if embedded is not None:
            await embedded.stop()


def _remembered(settings: Settings, reader: JournalReader | None) -> tuple[Memory, tuple[Order, ...], KillLevel]:
    if reader is None:
        return Memory(), (), settings.kill_switch
    level = max(reader.load_latch().level, settings.kill_switch, key=lambda level: level.severity)
    return reader.load_memory(), reader.load_working(), level
