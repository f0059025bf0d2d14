"""A demo in words: one line a cycle, and a closing summary of what happened, what it cost and what to do next."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from bot.domain.money import ZERO
from bot.domain.order import Purpose
from bot.domain.reason import Reason
from bot.domain.symbol import base_of, is_perp
from bot.report.format import amount, money, percent, times, utc
from bot.runtime.cycle import CycleResult
from bot.runtime.log_lines.turns import deed_of

_STANCES = {
    "neutral": "holds the neutral shares",
    "into_defi": "moves money into DeFi",
    "into_infra": "moves money into infrastructure",
    "de_risk": "sells a part of both sectors",
}
_NAMES = {  # of a purpose, as the summary begins its line
    "hedge": "hedge",
    "reduce": "sales",
    "increase": "purchases",
    "tactical": "leverage",
    "release": "hedge",
    "exit": "exits",
}
_DONE = {
    ("hedge", "sell"): "hedged by selling perps",
    ("reduce", "sell"): "sold",
    ("increase", "buy"): "bought",
    ("tactical", "buy"): "opened a leveraged long",
    ("tactical", "sell"): "opened a leveraged short",
    ("release", "buy"): "closed the hedge",
    ("exit", "sell"): "closed a long",
    ("exit", "buy"): "closed a short",
}
_SUMMED = {  # the same for those who read the summary only
    ("hedge", "sell"): "sold perps short against tokens that are sold later",
    ("reduce", "sell"): "sold tokens",
    ("increase", "buy"): "bought tokens",
    ("tactical", "buy"): "opened a long with borrowed money",
    ("tactical", "sell"): "opened a short with borrowed money",
}
_STATES = {"ended": "canceled or expired", "working": "still at the exchange"}
_CUTS = frozenset({Reason.HEDGE_CUT, Reason.LEVERAGE_CUT})
_NAMED_MAX = 4
DASHBOARD = "http://127.0.0.1:8420/"  # where `sectorbot dashboard` serves unless that port is taken


def cycle_line(result: CycleResult) -> str:
    """Time on the exchange, condition, equity, and what was done."""
    portfolio = result.portfolio
    equity = f"{money(portfolio.equity)} {portfolio.account.quote}"
    head = f"{utc(result.snapshot.at_ms)[5:16]}  {result.kind} {result.number}  {result.decision.condition.value}"
    return f"{head}  {equity}  {_executed_in(result) or deed_of(result)}"


def cut_lines(result: CycleResult, before: CycleResult | None) -> list[str]:
    """What a limit made smaller than asked for, as far as the cycle `before` did not say it."""
    said = () if before is None else before.decision.notes
    notes = [note for note in result.decision.notes if note.reason in _CUTS and note not in said]
    return [f"             {note.reason.value}: {note.words}" for note in notes]


def _executed_in(result: CycleResult) -> str:
    """What a cycle executed, by purpose; empty where it executed nothing."""
    values: dict[tuple[str, str], list[Decimal]] = {}
    for outcome in result.outcomes:
        if outcome.filled_size > 0:
            values.setdefault((outcome.intent.purpose.value, outcome.intent.side.value), []).append(
                outcome.filled_quote
            )
    stops = sum(outcome.intent.purpose is Purpose.EXIT and bool(outcome.client_ids) for outcome in result.outcomes)
    if not values and stops and stops == len(result.outcomes):
        return f"placed {stops} protective stop{'s' * (stops > 1)} at the exchange"
    return "; ".join(
        f"{_DONE.get(key, ' '.join(key))}, {money(sum(parts, ZERO))} ({len(parts)} instrument{'s' * (len(parts) > 1)})"
        for key, parts in values.items()
    )


def summary_lines(summary: Mapping[str, Any], said: str) -> list[str]:
    """The closing summary.

    Args:
        summary: the document of the demo.
        said: what the scenario shows.
    """
    quote = summary["quote"]
    end = Decimal(summary["equity_quote"])
    start = Decimal(summary["equity_start_quote"] or end)
    agreed = "agree" if summary["reconciled"] else "do NOT agree"
    return [
        f"What happened: {said}",
        f"  market     read as {summary['condition']}, so the bot {_STANCES[summary['stance']]}",
        *(f"  {line}" for line in _deeds(summary["executed"], quote)),
        *(f"  still open {line}" for line in _open(summary["positions"], quote)),
        *(f"  resting    {line}" for line in summary["resting"]),
        f"  sectors    {_sectors(summary['sleeves'])}",
        f"  orders     {_orders(summary['orders'])}",
        f"What it cost  equity {money(start)} → {money(end)} {quote} ({end - start:+,.2f}), moves of prices included",
        f"  fees       {_fees(summary, quote)}",
        f"  funding    {_signed(sum(map(Decimal, summary['funding_quote'].values()), ZERO))} {quote} (+ received)",
        f"journal and exchange {agreed}",
    ]


def next_lines(journal: str, directory: str | None, address: str = "", venue: Sequence[str] = ()) -> list[str]:
    """Three commands to go on with, the page that shows the same, and where the files are.

    Args:
        address: of a dashboard that stays; else the command that serves one is named.
        venue: the settings of the venue that was asked for.
    """
    lines = [
        "Next",
        f"  sectorbot positions --journal {journal}",
        f"  sectorbot why --journal {journal}",
        "  sectorbot run -e sim" + "".join(f" --set {setting}" for setting in venue),
        f"In a browser: {address}"
        if address
        else f"In a browser: sectorbot dashboard --journal {journal}, then {DASHBOARD}",
    ]
    return [*lines, f"kept in {directory}; delete with: rm -r {directory}"] if directory else lines


def _deeds(executed: Sequence[Mapping[str, Any]], quote: str) -> Iterator[str]:
    """What was executed, by purpose and side, in the order in which it began."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in executed:
        if Decimal(row["filled_size"]) > 0:
            groups.setdefault((row["purpose"], row["side"]), []).append(row)
    for (purpose, side), rows in groups.items():
        value = sum((Decimal(row["filled_quote"]) for row in rows), ZERO)
        names = [row["symbol"] if is_perp(row["symbol"]) else base_of(row["symbol"]) for row in rows]
        more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
        key = (purpose, side)
        what = _SUMMED.get(key) or _DONE.get(key, f"{purpose}: {side}")
        head = _NAMES.get(purpose, purpose).ljust(10)
        yield f"{head} {what}, {money(value)} {quote}: {', '.join(names[:_NAMED_MAX])}{more}"


def _open(positions: Sequence[Mapping[str, Any]], quote: str) -> Iterator[str]:
    for row in positions:
        far = f", liquidation {percent(row['liquidation_distance'])} away" if row["liquidation_distance"] else ""
        gain = f"{_signed(Decimal(row['unrealised_pnl_quote']))} {quote}"
        yield f"{row['side']} {amount(row['size'])} {row['symbol']} at {times(row['leverage'])}, {gain}{far}"


def _sectors(sleeves: Mapping[str, Mapping[str, Any]]) -> str:
    spot = {name.partition(".")[0]: row for name, row in sleeves.items() if name.endswith(".spot")}
    parts = [f"{name} {percent(row['share'])} (target {percent(row['target_share'])})" for name, row in spot.items()]
    return f"{'; '.join(parts)} of the book in spot"


def _orders(counts: Mapping[str, int]) -> str:
    shown = {name: count for name, count in counts.items() if count or name in {"sent", "filled", "rejected"}}
    return ", ".join(f"{count} {_STATES.get(name, name.replace('_', ' '))}" for name, count in shown.items())


def _fees(summary: Mapping[str, Any], quote: str) -> str:
    """All fees in quote money, and which part was paid in tokens."""
    total, direct = Decimal(summary["fees_quote"]), Decimal(summary["fees"].get(quote, "0"))
    return f"{money(total)} {quote} ({money(direct)} in {quote}, {money(total - direct)} in tokens)"


def _signed(value: Decimal) -> str:
    return f"{value:+,.2f}"
