"""Console output: one cycle as it happens, and the summary of a demo.

Puts together what `rows` reads and `tables` draws. `sectorbot status`, `positions`, `orders` and `why`
use those two directly.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from bot.domain.campaign import Campaign, Tranche
from bot.domain.codec import encode
from bot.domain.instrument import Instrument
from bot.domain.money import ONE, ZERO, plain, share
from bot.domain.order import Order, OrderType
from bot.domain.states import TrancheState
from bot.execution.executor import Outcome
from bot.execution.reconcile import Truth
from bot.journal.reader import JournalReader
from bot.playbook.policy.numbers import Policy
from bot.report import funding, rows, tables
from bot.report.demo_text import AGREEMENT
from bot.report.format import money, percent, utc
from bot.report.views import campaigns as campaigns_view
from bot.report.views import intents as intents_view
from bot.report.views import orders as orders_view
from bot.report.views import positions as positions_view
from bot.report.views import sleeves as sleeves_view
from bot.report.views.parts import Row
from bot.runtime.cycle import CycleResult
from bot.runtime.turn import verdict_of

ORDERS_MAX = 10_000
FILLS_MAX = 100_000


def print_cycle(
    console: Console, result: CycleResult, *, with_diagnosis: bool = False, before: CycleResult | None = None
) -> None:
    """One cycle: its head line, the reading when it is new, the plan of a tranche that begins, what was intended,
    refused and executed, and the notes that the turn `before` did not have."""
    for part in cycle_view(result, console.width, with_diagnosis=with_diagnosis, before=before):
        console.print(part)


def cycle_view(
    result: CycleResult, width: int, *, with_diagnosis: bool = False, before: CycleResult | None = None
) -> list[RenderableType]:
    """The parts of `print_cycle`, top to bottom."""
    decision, quote = result.decision, result.portfolio.account.quote
    instruments = result.snapshot.instruments
    parts: list[RenderableType] = [_head(result)]
    if with_diagnosis:
        missing = [f"{missing.what}: {missing.why}" for missing in result.snapshot.missing]
        reading = rows.why(
            decision, number=result.number, at_ms=result.snapshot.at_ms, missing=missing, policy=result.policy
        )
        parts += [
            tables.why_view(reading, result.snapshot.at_ms),
            sleeves_view.sleeves_table(sleeves_view.sleeve_rows(result.portfolio, decision.target), quote),
        ]
    if begun := _tranche_begun(result, before):
        parts.append(campaigns_view.plan_table(campaigns_view.plan_rows(begun), quote))
        parts += _funding_expected(result, begun, quote)
    if decision.intents:
        parts.append(intents_view.intents_table(intents_view.intent_rows(decision.intents, instruments), quote, width))
        verdicts = intents_view.verdict_rows(decision.intents, [verdict_of(verdict) for verdict in result.verdicts])
        refused = [row for row in verdicts if row["verdict"] == "refused"]
        approved = len(verdicts) - len(refused)
        parts.append(Text(f"risk gate: {approved} approved, {len(refused)} refused"))
        if refused:
            parts.append(intents_view.verdicts_table(refused, width))
    if result.outcomes:
        parts.append(intents_view.outcomes_table([_outcome(o, instruments) for o in result.outcomes], quote, width))
    said = set(notes_of(before)) if before is not None else set()
    notes = [note for note in notes_of(result, with_decision=not with_diagnosis) if note not in said]
    parts += [Text(f"  · {note}") for note in notes]
    return [*parts, Text()]


def notes_of(result: CycleResult, *, with_decision: bool = True) -> list[str]:
    """The remarks of a turn, as lines."""
    notes = (*(result.decision.notes if with_decision else ()), *result.truth.notes, *result.notes)
    return [f"{note.reason.value}: {note.words}" for note in notes]


def print_plan(
    console: Console, result: CycleResult, capital: Sequence[str] = (), exposure: Sequence[str] = ()
) -> None:
    """What the next cycle would do: diagnosis, plan, intended orders, verdicts; none of it done. `capital`: what the
    book is too small for; `exposure`: what it risks as it is."""
    print_cycle(console, result, with_diagnosis=True)
    if not result.decision.intents:
        console.print(Text("no orders are intended now"))
    for breaker in result.breakers:
        console.print(Text(f"entries stop: {breaker.words}"))
    for message in exposure:
        console.print(Text(f"risk: {message}"))
    for message in capital:
        console.print(Text(f"capital: {message}"))
    console.print(Text("nothing was sent and nothing was written"))


def plan_document(
    result: CycleResult, capital: Sequence[str] = (), exposure: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """`plan --json`: the reading, the plan and the verdicts, JSON-able."""
    decision = result.decision
    verdicts = [verdict_of(verdict) for verdict in result.verdicts]
    return {
        "reading": rows.why(decision, number=result.number, at_ms=result.snapshot.at_ms, policy=result.policy),
        "campaign": campaigns_view.campaign_row(decision.campaign) if decision.campaign else None,
        "funding": _planned_funding(result, _running(result)),
        "intents": intents_view.intent_rows(decision.intents, result.snapshot.instruments),
        "verdicts": intents_view.verdict_rows(decision.intents, verdicts),
        "kill": result.kill.value,
        "breakers": [{"reason": note.reason.value, "words": note.words} for note in result.breakers],
        "sleeves": sleeves_view.sleeve_rows(result.portfolio, decision.target),
        "missing": [f"{missing.what}: {missing.why}" for missing in result.snapshot.missing],
        "notes": notes_of(result),
        "capital": list(capital),
        "exposure": exposure,
    }


def _planned_funding(result: CycleResult, tranche: Tranche | None) -> list[Row]:
    campaign = result.decision.campaign
    if campaign is None or tranche is None:
        return []
    return funding.planned_rows(tranche, campaign, result.snapshot, result.funding_hours)


def _funding_expected(result: CycleResult, tranche: Tranche, quote: str) -> list[RenderableType]:
    results = _planned_funding(result, tranche)
    return [funding.funding_table(results, quote)] if results else []


def _tranche_begun(result: CycleResult, before: CycleResult | None) -> Tranche | None:
    """The tranche that runs now and did not in the turn before."""
    now, then = _running(result), None if before is None else _running(before)
    return now if now is not None and (then is None or then.started_ms != now.started_ms) else None


def _running(result: CycleResult) -> Tranche | None:
    campaign = result.decision.campaign
    tranches = campaign.tranches if campaign is not None else ()
    return next((tranche for tranche in tranches if tranche.state is TrancheState.RUNNING), None)


def demo_summary(
    reader: JournalReader, campaigns: Sequence[Campaign], last: CycleResult, truth: Truth, policy: Policy
) -> dict[str, Any]:
    """What a demo came to, JSON-able. `reconciled` is true when journal and venue agree and nothing is in doubt, and
    None when they agree because no order was sent."""
    orders: tuple[Order, ...] = reader.load_orders(ORDERS_MAX)
    counts = orders_view.order_counts(orders)
    is_agreed = truth.is_agreed and counts["in_doubt"] == 0
    fills = reader.load_fills(FILLS_MAX)
    portfolio, memory = last.portfolio, last.decision.memory
    return {
        "reconciled": None if is_agreed and not counts["sent"] else is_agreed,
        "quote": portfolio.account.quote,
        "at_ms": last.snapshot.at_ms,
        "equity_quote": plain(portfolio.equity),
        "book_quote": plain(portfolio.book),
        "reserve_quote": plain(portfolio.reserve),
        "reserve_wanted_quote": plain(policy.allocation.reserve_quote),
        "condition": last.decision.condition.value,
        "stance": last.decision.stance.value,
        "campaigns": [campaigns_view.campaign_row(campaign) for campaign in campaigns],
        "legs": [row for campaign in campaigns for row in campaigns_view.demo_legs(campaign)],
        "sleeves": {
            row["sleeve"]: {"target": row["target_quote"], "actual": row["value_quote"]} | row
            for row in sleeves_view.sleeve_rows(portfolio, last.decision.target)
        },
        "executed": orders_view.leg_rows(orders),
        "orders": counts,
        "fees": orders_view.fees(fills),
        "fees_quote": plain(round(_in_quote(orders_view.fees(fills), last), 2)),
        "resting": [
            f"stop of {order.symbol} at {plain(order.trigger_price)}"
            for order in reader.load_working()
            if order.trigger_price is not None
        ],
        "stops": {
            order.symbol: plain(order.trigger_price)
            for order in reader.load_working()
            if order.trigger_price is not None and order.order_type is OrderType.STOP
        },
        "not_filled": orders_view.not_filled(orders),
        "funding_quote": orders_view.funding(reader.load_payments()),
        "funding_legs": funding.held_rows(campaigns, reader, orders, fills, policy.constants.funding_average_hours),
        "positions": positions_view.position_rows(truth.account, last.snapshot.instruments, memory),
        "notes": [encode(note) for note in truth.notes],
    }


def _in_quote(fees: Mapping[str, str], last: CycleResult) -> Decimal:
    """Fees of all assets at the prices of the last cycle; an asset without a price counts nothing."""
    quote, total = last.portfolio.account.quote, ZERO
    for asset, fee in fees.items():
        price = ONE if asset == quote else last.snapshot.price(f"{asset}/{quote}")
        total += Decimal(fee) * (price or ZERO)
    return total


def _campaign_line(campaign: Mapping[str, Any], quote: str) -> str:
    """A rotation by what it shifts; a rebalancing shifts nothing between the stances, so by what it trades."""
    tranches = campaign["tranches"]
    if campaign["from"] != campaign["to"]:
        what = f"rotation {campaign['number']}: {campaign['from']} → {campaign['to']}"
        size = f"shift {money(campaign['shift_quote'])} {quote}"
    else:
        traded = sum((Decimal(leg["value_quote"]) for tranche in tranches for leg in tranche["legs"]), ZERO)
        what = f"rebalancing {campaign['number']}: drift within {campaign['to']}"
        size = f"{money(traded)} {quote} to trade"
    return f"{what}, {campaign['state']}, {size} in {len(tranches)} tranches"


def print_summary(console: Console, summary: Mapping[str, Any]) -> None:
    """The summary of a demo as tables."""
    quote = summary["quote"]
    console.print(Text(f"After {utc(summary['at_ms'])}", "bold"))
    for campaign in summary["campaigns"]:
        console.print(Text(_campaign_line(campaign, quote)))
    console.print(orders_view.legs_table(summary["executed"], quote))
    console.print(sleeves_view.sleeves_table(list(summary["sleeves"].values()), quote))
    console.print(positions_view.positions_table(summary["positions"], quote))
    if summary["funding_legs"]:
        console.print(funding.funding_table(summary["funding_legs"], quote))
    console.print(orders_view.totals_line(summary["orders"], summary["fees"], summary["funding_quote"], quote))
    console.print(Text(f"equity: {money(summary['equity_quote'])} {quote}"))
    agreement = AGREEMENT[summary["reconciled"]]
    if summary["reconciled"] is not False:
        console.print(Text(agreement))
    else:
        console.print(Text(f"{agreement}:", "bold"))
        if summary["orders"]["in_doubt"]:
            console.print(Text(f"  · {summary['orders']['in_doubt']} orders are in doubt"))
        for note in summary["notes"]:
            console.print(Text(f"  · {note['reason']}: {note['words']}"))


def _head(result: CycleResult) -> Text:
    decision, portfolio = result.decision, result.portfolio
    kill = "" if result.kill.value == "off" else f" · KILL SWITCH {result.kill.value}"
    gross = share(sum((sleeves.spot for sleeves in portfolio.sectors.values()), ZERO), portfolio.book)
    return Text(
        f"{result.kind} {result.number} · {utc(result.snapshot.at_ms)} · {decision.condition.value}, "
        f"stance {decision.stance.value} · equity {money(portfolio.equity)} {portfolio.account.quote}, "
        f"{percent(gross)} in spot{kill}",
        "bold",
    )


def _outcome(outcome: Outcome, instruments: Mapping[str, Instrument]) -> dict[str, Any]:
    intent, instrument = outcome.intent, instruments.get(outcome.intent.symbol)
    average = None
    if instrument is not None and outcome.filled_size > 0:
        base = outcome.filled_size * instrument.contract_size
        average = (outcome.filled_quote / base).quantize(instrument.price_tick)
    return {
        "purpose": intent.purpose.value,
        "symbol": intent.symbol,
        "side": intent.side.value,
        "size": plain(outcome.size),
        "filled_size": plain(outcome.filled_size),
        "filled_quote": plain(outcome.filled_quote),
        "average": None if average is None else plain(average),
        "state": outcome.state.value if outcome.state else None,
        "words": "; ".join(note.words for note in outcome.notes),
    }
