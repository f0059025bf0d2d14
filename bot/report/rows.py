"""Journal records as plain mappings: what an operator reads, before anyone decides how it looks.

Pure functions. Amounts are text with all of their digits, quote values end in `_quote`, shares are fractions, times are
UTC ms. `tables` draws them; `--json` prints them as they are.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bot.domain.campaign import Campaign, Memory, Tranche
from bot.domain.codec import encode
from bot.domain.instrument import Instrument
from bot.domain.money import ZERO, plain, share
from bot.domain.order import Fill, Intent, Order
from bot.domain.perp import liquidation_distance, margin_for
from bot.domain.portfolio import Account, Portfolio
from bot.domain.reason import Reason
from bot.domain.states import KillLevel, LegState, OrderState
from bot.domain.symbol import base_of, is_perp
from bot.domain.turn.decision import Decision, Signal, Verdict
from bot.playbook.policy.numbers import Policy
from bot.ports import Payment
from bot.report.explanation import explain_decision

Row = dict[str, Any]
NO_CHANGE_WORDS = "nothing that was read speaks against it"


def intent_rows(intents: Iterable[Intent], instruments: Mapping[str, Instrument]) -> list[Row]:
    """What is intended, in order. `size` is in `unit`; notional is at the limit, margin is what a perp entry locks."""
    rows = []
    for intent in intents:
        instrument = instruments.get(intent.symbol)
        notional = instrument.notional(intent.size, intent.worst_price) if instrument else None
        margin = None
        if notional is not None and is_perp(intent.symbol) and not intent.reduce_only and intent.leverage:
            margin = intent.margin_quote or margin_for(notional, intent.leverage)
        rows.append(
            {
                "id": intent.id,
                "campaign": intent.campaign,
                "tranche": intent.tranche,
                "leg": intent.leg,
                "purpose": intent.purpose.value,
                "sector": intent.sector,
                "symbol": intent.symbol,
                "side": intent.side.value,
                "size": plain(intent.size),
                "unit": _unit(intent.symbol, instrument),
                "limit": plain(intent.worst_price),
                "trigger": _text(intent.trigger_price),
                "notional_quote": _text(notional),
                "margin_quote": _text(margin),
                "leverage": _text(intent.leverage),
                "reduce_only": intent.reduce_only,
                "stop": _text(intent.exits.stop_price if intent.exits else None),
                "words": intent.words,
            }
        )
    return rows


def verdict_rows(intents: Iterable[Intent], verdicts: Iterable[Verdict]) -> list[Row]:
    """The gate's answers, numbered like the intents."""
    known = {intent.id: intent for intent in intents}
    rows = []
    for number, verdict in enumerate(verdicts, start=1):
        intent, note = known.get(verdict.intent), verdict.note
        rows.append(
            {
                "number": number,
                "id": verdict.intent,
                "purpose": intent.purpose.value if intent else None,
                "symbol": intent.symbol if intent else None,
                "side": intent.side.value if intent else None,
                "verdict": "approved" if verdict.approved else "refused",
                "reason": note.reason.value if note else None,
                "words": note.words if note else "",
                "numbers": dict(note.numbers) if note else {},
            }
        )
    return rows


def sleeve_rows(portfolio: Portfolio, target: Mapping[str, Decimal]) -> list[Row]:
    """Capital per sleeve against its target share of the book, then cash: its share and the configured reserve. Futures
    capital is the sleeve's label."""
    actual: dict[str, Decimal] = {}
    for sector, sleeves in portfolio.sectors.items():
        actual[f"{sector}.spot"], actual[f"{sector}.futures"] = sleeves.spot, sleeves.futures
    actual["cash"] = portfolio.account.cash
    reserve = max(ZERO, portfolio.equity - portfolio.book)
    rows = []
    for name in [*actual, *(name for name in target if name not in actual)]:
        value, required = actual.get(name, ZERO), target.get(name)
        aim = None if required is None else required * portfolio.book + (reserve if name == "cash" else ZERO)
        rows.append(
            {
                "sleeve": name,
                "value_quote": plain(value),
                "share": _text(share(value, portfolio.book)),
                "target_share": _text(required),
                "target_quote": _text(aim),
                "left_quote": _text(None if aim is None else aim - value),
                "net_exposure_quote": _text(_net_exposure(portfolio, name)),
            }
        )
    return rows


def with_reserve(rows: Sequence[Row], reserve: Decimal) -> list[Row]:
    """The rows of the sleeves, with the reserve taken out of the cash into a row of its own."""
    if not reserve:
        return list(rows)
    result = []
    for row in rows:
        if row["sleeve"] != "cash":
            result.append(row)
            continue
        cash = Decimal(row["value_quote"])
        held = max(ZERO, min(cash, reserve))
        aim = None if row["target_quote"] is None else Decimal(row["target_quote"]) - reserve
        kept = {"value_quote": plain(cash - held), "target_quote": _text(aim), "share": None}
        kept["left_quote"] = _text(None if aim is None else aim - cash + held)
        result.append(row | kept)
        aside = dict.fromkeys(("share", "target_share", "net_exposure_quote"))
        left = plain(reserve - held)
        result.append(
            {
                "sleeve": "reserve",
                "value_quote": plain(held),
                "target_quote": plain(reserve),
                "left_quote": left,
                **aside,
            }
        )
    return result


def outside_of(portfolio: Portfolio) -> Decimal:
    """The value of holdings that belong to no sector."""
    account = portfolio.account
    cash = account.cash + (account.unrealised_pnl if account.is_unified else account.perp_equity)
    return portfolio.equity - cash - sum((sleeves.spot for sleeves in portfolio.sectors.values()), ZERO)


def position_rows(account: Account, instruments: Mapping[str, Instrument], memory: Memory) -> list[Row]:
    """Open perps. `liquidation_distance` is the fraction that mark may move; `covers` the sector a hedge stands for,
    `role` what the position is called: hedge, tactical long, speculative short, scalp; None of one that is not ours."""
    rows, roles = [], dict.fromkeys(memory.hedges, "hedge") | {held.symbol: held.words for held in memory.exits}
    for symbol, position in sorted(account.positions.items()):
        instrument = instruments.get(symbol)
        notional = instrument.notional(position.size, position.mark_price) if instrument else None
        rows.append(
            {
                "symbol": symbol,
                "side": "long" if position.size > 0 else "short",
                "size": plain(position.size),
                "unit": _unit(symbol, instrument),
                "entry": plain(round(position.entry_price, 8)),
                "mark": plain(position.mark_price),
                "notional_quote": _text(notional),
                "margin_quote": plain(position.margin),
                "leverage": _text(position.leverage),
                "liquidation": _text(position.liquidation_price),
                "liquidation_distance": _text(liquidation_distance(position.mark_price, position.liquidation_price)),
                "unrealised_pnl_quote": plain(position.unrealised_pnl),
                "covers": memory.hedges.get(symbol),
                "role": roles.get(symbol),
            }
        )
    return rows


def order_rows(orders: Iterable[Order]) -> list[Row]:
    """Orders as the journal knows them, with the average price of what has filled."""
    return [
        {
            "client_id": order.client_id,
            "sent_ms": order.sent_ms,
            "purpose": order.purpose.value,
            "symbol": order.symbol,
            "side": order.side.value,
            "size": plain(order.size),
            "price": _text(order.price),
            "state": order.state.value,
            "filled_size": plain(order.filled_size),
            "filled_quote": plain(order.filled_quote),
            "reason": order.reason,
        }
        for order in orders
    ]


def order_counts(orders: Iterable[Order]) -> dict[str, int]:
    """How many were sent, and what became of them. A canceled or expired order that filled in part counts as ended."""
    return counts_by_state(Counter(order.state for order in orders))


def counts_by_state(counts: Mapping[OrderState, int]) -> dict[str, int]:
    """The same from how many orders are in each state."""
    states = Counter(counts)
    return {
        "sent": states.total(),
        "filled": states[OrderState.FILLED],
        "ended": states[OrderState.CANCELED] + states[OrderState.EXPIRED],
        "rejected": states[OrderState.REJECTED],
        "working": states[OrderState.OPEN] + states[OrderState.CANCELING] + states[OrderState.SUBMITTING],
        "in_doubt": states[OrderState.IN_DOUBT],
    }


def leg_rows(orders: Iterable[Order]) -> list[Row]:
    """What was executed, by purpose, instrument and side, in the order it began."""
    size: dict[tuple[str, str, str], Decimal] = defaultdict(lambda: ZERO)
    value: dict[tuple[str, str, str], Decimal] = defaultdict(lambda: ZERO)
    count: Counter[tuple[str, str, str]] = Counter()
    for order in sorted(orders, key=lambda order: order.sent_ms):
        key = (order.purpose.value, order.symbol, order.side.value)
        size[key] += order.filled_size
        value[key] += order.filled_quote
        count[key] += 1
    return [
        {
            "purpose": purpose,
            "symbol": symbol,
            "side": side,
            "orders": count[purpose, symbol, side],
            "filled_size": plain(size[purpose, symbol, side]),
            "filled_quote": plain(value[purpose, symbol, side]),
        }
        for purpose, symbol, side in count
    ]


def fees(fills: Iterable[Fill]) -> dict[str, str]:
    """Fees paid, by asset; a rebate is negative."""
    totals: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for fill in fills:
        totals[fill.fee_asset] += fill.fee
    return {asset: plain(total) for asset, total in sorted(totals.items())}


def funding(payments: Iterable[Payment]) -> dict[str, str]:
    """Funding received (+) or paid (−), by perp, quote."""
    totals: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for payment in payments:
        if payment.kind == "funding":
            totals[payment.symbol or "?"] += payment.amount
    return {symbol: plain(total) for symbol, total in sorted(totals.items())}


@dataclass(frozen=True, slots=True)
class StatusInputs:
    """Where the bot stands, for `status`."""

    mode: str
    environment: str
    venue: str
    kill: KillLevel
    kill_reason: str
    kill_by: str
    kill_since_ms: int
    now_ms: int
    last_cycle: int
    last_cycle_ms: int
    portfolio: Portfolio | None
    equity_peak: Decimal
    day_start_equity: Decimal
    condition: str
    stance: str
    locks: Mapping[str, str]
    orders: Mapping[OrderState, int] = field(default_factory=dict)
    orders_today: int = 0
    unlisted: Sequence[str] = ()
    drawdown_since_ms: int = 0
    drawdown_until_ms: int | None = None
    peak_since_ms: int = 0


def status(inputs: StatusInputs) -> Row:
    """Mode, switch, age of the last cycle, equity and its falls. Shares are fractions of what they fell from."""
    portfolio = inputs.portfolio
    unpriced = list(portfolio.unpriced) if portfolio else []
    equity = portfolio.equity if portfolio and not unpriced else None
    return {
        "mode": inputs.mode,
        "environment": inputs.environment,
        "venue": inputs.venue,
        "kill_switch": inputs.kill.value,
        "kill_reason": inputs.kill_reason,
        "kill_by": inputs.kill_by,
        "kill_since_ms": inputs.kill_since_ms,
        "now_ms": inputs.now_ms,
        "last_cycle": inputs.last_cycle,
        "last_cycle_ms": inputs.last_cycle_ms,
        "last_cycle_age_ms": inputs.now_ms - inputs.last_cycle_ms if inputs.last_cycle_ms else None,
        "condition": inputs.condition,
        "stance": inputs.stance,
        "quote": portfolio.account.quote if portfolio else None,
        "equity_quote": _text(equity),
        "book_quote": _text(portfolio.book if portfolio else None),
        "reserve_quote": _text(portfolio.equity - portfolio.book - outside_of(portfolio) if portfolio else None),
        "outside_quote": _text(outside_of(portfolio) if portfolio else None),
        "cash_quote": _text(portfolio.account.cash if portfolio else None),
        "unpriced": unpriced,
        "unlisted": list(inputs.unlisted),
        "drawdown": _text(_fall(inputs.equity_peak, equity)),
        "drawdown_since_ms": inputs.drawdown_since_ms or None,
        "drawdown_until_ms": inputs.drawdown_until_ms,
        "peak_since_ms": inputs.peak_since_ms or None,
        "fall_today": _text(_fall(inputs.day_start_equity, equity)),
        "locked": dict(inputs.locks),
        "orders": counts_by_state(inputs.orders),
        "orders_today": inputs.orders_today,
    }


def why(
    decision: Decision, *, number: int, at_ms: int, missing: Sequence[str] = (), policy: Policy | None = None
) -> Row:
    """A journaled decision in words: what was read, which rule spoke, what would change it. With the policy it was made
    by: of what its confidence is made, which rule led to the target, and the least that would turn it."""
    signals = sorted(decision.signals, key=lambda signal: -abs(signal.score))
    regime = decision.memory.regime
    explanation = explain_decision(decision, policy, at_ms) if policy is not None and signals else None
    return {
        "evidence": explanation.evidence if explanation else [],
        "rule": explanation.rule if explanation else [],
        "cycle": number,
        "at_ms": at_ms,
        "condition": decision.condition.value,
        "since_ms": regime.since_ms,
        "confidence": str(decision.confidence),
        "stance": decision.stance.value,
        "phases": encode(decision.phases),
        "signals": encode(signals),
        "rules": [encode(note) for note in decision.notes if note.reason in _RULES],
        "notes": encode(decision.notes),
        "would_change": explanation.turns if explanation else _would_change(decision, signals),
        "missing": list(missing),
    }


_RULES = frozenset(
    {
        Reason.CONDITION_CHANGED,
        Reason.CONDITION_HELD,
        Reason.CONFIDENCE_LOW,
        Reason.DWELL,
        Reason.EXIT_SIGNS,
        Reason.CAMPAIGN_STARTED,
        Reason.CAMPAIGN_REVERSED,
        Reason.DRIFT_WITHIN_BUFFER,
    }
)


def _would_change(decision: Decision, signals: Sequence[Signal]) -> list[str]:
    """What is already on the way to another reading: a candidate that waits, then the signals on the other side."""
    message = []
    candidate, condition = decision.memory.regime.candidate, decision.condition
    if candidate is not condition:
        message.append(f"{candidate.value} has been read instead of {condition.value} and waits until it has lasted")
    lean = sum(signal.score for signal in signals)
    message += [
        f"{signal.name} speaks the other way ({signal.score:+.2f}): {signal.words}"
        for signal in signals
        if signal.score * lean < 0
    ]
    message += [
        f"{note.subject or 'a signal'} is missing and would count again once it is read"
        for note in decision.notes
        if note.reason is Reason.SIGNAL_MISSING
    ]
    return message or [NO_CHANGE_WORDS]


def campaign_row(campaign: Campaign) -> Row:
    """A rotation: where from, where to, how far, and its tranches with their planned legs."""
    return {
        "number": campaign.number,
        "from": campaign.stance_from.value,
        "to": campaign.stance_to.value,
        "source": campaign.source,
        "destination": campaign.destination,
        "state": campaign.state.value,
        "started_ms": campaign.started_ms,
        "book_quote": plain(campaign.book),
        "shift_quote": plain(campaign.shift * campaign.book),
        "baseline_quote": encode(campaign.baseline),
        "target_quote": encode(campaign.target),
        "owed_quote": encode(campaign.owed),
        "tranches": [
            {
                "index": tranche.index,
                "state": tranche.state.value,
                "not_before_ms": tranche.not_before_ms,
                "legs": [
                    {
                        "purpose": leg.purpose.value,
                        "sector": leg.sector,
                        "symbol": leg.symbol,
                        "side": leg.side.value,
                        "value_quote": plain(leg.quote_value),
                        "margin_quote": plain(leg.margin),
                        "leverage": _text(leg.leverage),
                        "state": leg.state.value,
                    }
                    for leg in tranche.legs
                ],
            }
            for tranche in campaign.tranches
        ],
    }


def demo_legs(campaign: Campaign) -> list[Row]:
    """Every planned leg of a rotation, flat: what `demo --json` lists under `legs`."""
    return [
        {
            "campaign": campaign.number,
            "tranche": tranche.index,
            "purpose": leg.purpose.value,
            "sector": leg.sector,
            "instrument": leg.symbol,
            "side": leg.side.value,
            "quote_value": plain(leg.quote_value),
            "margin": plain(leg.margin),
            "leverage": _text(leg.leverage),
            "status": leg.state.value,
        }
        for tranche in campaign.tranches
        for leg in tranche.legs
    ]


def plan_rows(tranche: Tranche) -> list[Row]:
    """The legs of a tranche, added up by phase: what is going to happen, in order."""
    rows: dict[tuple[str, str, str], Row] = {}
    for leg in tranche.legs:
        if leg.state is LegState.SKIPPED:
            continue
        key = (leg.purpose.value, leg.sector, leg.side.value)
        row = rows.setdefault(
            key,
            {
                "tranche": tranche.index,
                "purpose": key[0],
                "sector": key[1],
                "side": key[2],
                "instruments": [],
                "value_quote": ZERO,
                "margin_quote": ZERO,
                "leverage": _text(leg.leverage),
            },
        )
        row["instruments"].append(leg.symbol)
        row["value_quote"] += leg.quote_value
        row["margin_quote"] += leg.margin
    return list(rows.values())


def _fall(reference: Decimal, equity: Decimal | None) -> Decimal | None:
    return None if equity is None or reference <= 0 else max(ZERO, share(reference - equity, reference))


def _net_exposure(portfolio: Portfolio, sleeve: str) -> Decimal | None:
    sector, _, part = sleeve.partition(".")
    return portfolio.sectors[sector].net_exposure if part == "spot" and sector in portfolio.sectors else None


def _unit(symbol: str, instrument: Instrument | None) -> str:
    if instrument is not None and instrument.is_perp and instrument.contract_size != 1:
        return "contracts"
    return instrument.base if instrument else base_of(symbol)


def _text(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)
