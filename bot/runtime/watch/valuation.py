"""The account at prices, journaled every quarter of an hour and at the first cycle of a day.

Profit, loss and charts are read from it when the snapshots of that time are gone."""

from bot.domain.codec import encode
from bot.domain.durations import DAY_MS, MINUTE_MS
from bot.domain.turn.valuation import VALUATION
from bot.execution.reconcile import Truth
from bot.journal.journal import Journal
from bot.playbook.book.valuation import value_account
from bot.playbook.policy.membership import Sectors
from bot.runtime.turn import CYCLE, TurnPlan

VALUATION_EVERY_MS = 15 * MINUTE_MS


async def record_valuation(journal: Journal, plan: TurnPlan, truth: Truth, sectors: Sectors) -> None:
    """Journal what the account was worth, unless the last time is less than a quarter of an hour ago.

    Nothing is written while journal and account differ, nor while a holding that counted before has no price: either
    would read as a gain or a loss.

    Raises:
        JournalError: the journal failed.
    """
    inputs, account = plan.inputs, truth.account
    if inputs.kind != CYCLE or not truth.is_agreed or account.unreadable:
        return
    last = journal.reader.load_facts(VALUATION, limit=1)
    before = last[0].payload if last else {"at_ms": None, "spot": {}}
    if before["at_ms"] is not None:
        is_same_day = account.at_ms // DAY_MS == before["at_ms"] // DAY_MS
        if is_same_day and account.at_ms - before["at_ms"] < VALUATION_EVERY_MS:
            return
    if any(asset in before["spot"] or asset in sectors.tokens for asset in plan.portfolio.unpriced):
        return
    value = value_account(account, inputs.snapshot, sectors, plan.decision.condition.value)
    await journal.record_fact(VALUATION, encode(value))
