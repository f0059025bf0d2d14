"""A demo in words: one line a cycle, and a closing summary of what happened, what came of it and what to do next."""

import shlex
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from bot.domain.money import ZERO, share
from bot.domain.order import Purpose
from bot.domain.reason import Reason
from bot.domain.symbol import base_of
from bot.report.format import amount, money, percent, times, utc
from bot.report.profit.parts import is_hedge
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
_DONE = {  # with how many instruments
    ("hedge", "sell"): "hedged: sold {} perp{s} short",
    ("reduce", "sell"): "sold {} token{s}",
    ("increase", "buy"): "bought {} token{s}",
    ("tactical", "buy"): "opened {} leveraged long{s}",
    ("tactical", "sell"): "opened {} leveraged short{s}",
    ("release", "buy"): "closed {} hedge{s}",
    ("exit", "sell"): "closed {} long{s}",
    ("exit", "buy"): "closed {} short{s}",
}
_SUMMED = {
    ("hedge", "sell"): "sold perps short ahead of spot sales",
    ("reduce", "sell"): "sold tokens",
    ("increase", "buy"): "bought tokens",
    ("tactical", "buy"): "opened a leveraged long (perp)",
    ("tactical", "sell"): "opened a leveraged short (perp)",
    ("release", "buy"): "closed the hedge",
    ("exit", "sell"): "closed a long",
    ("exit", "buy"): "closed a short",
}
_STATES = {"ended": "canceled or expired", "working": "open"}
_CUTS = frozenset({Reason.HEDGE_CUT, Reason.LEVERAGE_CUT})
_NAMED_MAX = 4
AGREEMENT: Mapping[bool | None, str] = {  # by `reconciled` of the document
    True: "journal and exchange agree",
    False: "journal and exchange do NOT agree",
    None: "nothing was compared, because no order was sent",
}
COLUMNS, _SUMMARY_INDENT, _DEED_INDENT = 80, 13, 44
_IDLE = "nothing to do"
_PARTS = ("realised", "unrealised", "funding", "fees", "other", "slippage", "unexplained")
DASHBOARD = "http://127.0.0.1:8420/"  # where `sectorbot dashboard` serves unless that port is taken


def cycle_head(quote: str) -> str:
    """What the columns of `cycle_lines` are."""
    return f"{'time (UTC)':11} cycle  {'market':11}{f'equity {quote}':>12}  what the bot did (notional {quote})"


def cycle_lines(result: CycleResult) -> list[str]:
    """Time on the exchange, number, condition, equity, and what was done or is waited for."""
    head = f"{utc(result.snapshot.at_ms)[5:16]} {result.number:>5}  {result.decision.condition.value:11}"
    moves = [*_executed_in(result), *_moved_in(result)]
    deeds = moves or [deed_of(result)]
    if not result.has_acted and (wait := _wait_of(result)):
        deeds = [wait] if deeds == [_IDLE] else [*deeds, wait]
    return _wrapped(f"{head}{money(result.portfolio.equity):>12}", "; ".join(deeds), _DEED_INDENT)


def _wrapped(head: str, text: str, indent: int = _SUMMARY_INDENT) -> list[str]:
    """A head and a text beside it, on as many lines as the text needs. A number keeps its percent sign."""
    whole = text.replace(" %", "\N{NO-BREAK SPACE}%")
    lines = textwrap.wrap(whole, COLUMNS - indent, break_long_words=False, break_on_hyphens=False) or [""]
    printed = [f"{head.ljust(indent)}{lines[0]}", *(" " * indent + line for line in lines[1:])]
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in printed]


def cut_lines(result: CycleResult, before: CycleResult | None) -> list[str]:
    """What a limit made smaller than asked for, as far as the cycle `before` did not say it."""
    said = () if before is None else before.decision.notes
    notes = [note for note in result.decision.notes if note.reason in _CUTS and note not in said]
    return [f"             {note.reason.value}: {note.words}" for note in notes]


def _executed_in(result: CycleResult) -> list[str]:
    """What a cycle executed, by purpose, with its notional; empty where it executed nothing."""
    values: dict[tuple[str, str], list[Decimal]] = {}
    for outcome in result.outcomes:
        if outcome.filled_size > 0:
            values.setdefault((outcome.intent.purpose.value, outcome.intent.side.value), []).append(
                outcome.filled_quote
            )
    stops = sum(outcome.intent.purpose is Purpose.EXIT and bool(outcome.client_ids) for outcome in result.outcomes)
    if not values and stops and stops == len(result.outcomes):
        return [f"placed {stops} protective stop{'s' * (stops > 1)}"]
    return [
        f"{_DONE.get(key, ' '.join(key) + ' {}').format(len(parts), s='s' * (len(parts) > 1))}, {_total(parts)}"
        for key, parts in values.items()
    ]


def _total(parts: Sequence[Decimal]) -> str:
    return money(sum(parts, ZERO))


def _moved_in(result: CycleResult) -> list[str]:
    """What a cycle moved between the wallets."""
    return [
        f"moved {money(note.numbers['amount'])}, {note.words.partition(':')[0]}"
        for note in result.notes
        if note.reason is Reason.TRANSFER_NEEDED and note.numbers.get("moved")
    ]


def _wait_of(result: CycleResult) -> str:
    """The tranche that is waited for, with its time; empty where none is."""
    campaign, now_ms = result.decision.campaign, result.snapshot.at_ms
    tranche = campaign.current if campaign is not None and not campaign.is_over else None
    if campaign is None or tranche is None or tranche.begins_ms <= now_ms:
        return ""
    now, at = utc(now_ms), utc(tranche.begins_ms)
    when = at[11:16] if at[:10] == now[:10] else at[5:16]
    return f"waits for tranche {tranche.index} of {len(campaign.tranches)} at {when}"


def summary_lines(summary: Mapping[str, Any]) -> list[str]:
    """The closing summary of the document of the demo."""
    quote = summary["quote"]
    end = Decimal(summary["equity_quote"])
    start = Decimal(summary["equity_start_quote"] or end)
    happened = [
        *_deeds(summary, quote),
        *(("still open", line) for line in _open(summary, quote)),
        ("sectors", _sectors(summary, quote)),
        ("orders", _orders(summary["orders"])),
        *(("", line) for line in _not_filled(summary["not_filled"])),
    ]
    return [
        f"What happened: market read as {summary['condition']}, so the bot {_STANCES[summary['stance']]}",
        *(line for name, text in happened for line in _wrapped(f"  {name}", text)),
        f"Result       equity {money(start)} → {money(end)} {quote} ({end - start:+,.2f})",
        *(line for name, text in _result(summary, quote) for line in _wrapped(f"  {name}", text)),
        AGREEMENT[summary["reconciled"]],
    ]


def next_lines(
    journal: str, directory: str | None, address: str = "", venue: Sequence[str] = (), program: str = ""
) -> list[str]:
    """Commands to go on with, the page that shows the same, and where the files are.

    Args:
        address: of a dashboard that stays; else the command that serves one is named.
        venue: the settings of the venue that was asked for.
        program: the file that `sectorbot` is, where a shell does not find it by this name.
    """
    lines = [
        "Next",
        *([f"  alias sectorbot={shlex.quote(program)}"] if program else []),
        f"  sectorbot positions --journal {journal}",
        f"  sectorbot why --journal {journal}",
        "  sectorbot run -e sim" + "".join(f" --set {setting}" for setting in venue),
        *([] if address else [f"  sectorbot dashboard --journal {journal}"]),
        f"In a browser: {address or f'{DASHBOARD} while `sectorbot dashboard` runs'}",
    ]
    return [*lines, f"The journal stays on disk; delete it with: rm -r {directory}"] if directory else lines


def _deeds(summary: Mapping[str, Any], quote: str) -> Iterator[tuple[str, str]]:
    """What was executed, by purpose and side, in the order in which it began."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in summary["executed"]:
        if Decimal(row["filled_size"]) > 0:
            groups.setdefault((row["purpose"], row["side"]), []).append(row)
    for (purpose, side), rows in groups.items():
        value = sum((Decimal(row["filled_quote"]) for row in rows), ZERO)
        names = [base_of(row["symbol"]) for row in rows]
        more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
        what = _SUMMED.get((purpose, side), f"{purpose}: {side}")
        worth = f"{money(value)} {quote}"
        if purpose == Purpose.RELEASE.value and summary["profit"] is not None:
            gain = _signed(_hedge_gain(summary["profit"]))
            worth = f"notional {money(value)}, realised P&L {gain} {quote}"
        yield _NAMES.get(purpose, purpose), f"{what}, {worth}: {', '.join(names[:_NAMED_MAX])}{more}"


def _hedge_gain(profit: Mapping[str, Any]) -> Decimal:
    """What all closed hedges came to, before fees."""
    gains = [Decimal(row["realised_quote"]) for sleeve, row in profit["by_sleeve"].items() if is_hedge(sleeve)]
    return sum(gains, ZERO)


def _open(summary: Mapping[str, Any], quote: str) -> Iterator[str]:
    """Open perps, with how far mark is from stop and liquidation; stops without a position after them."""
    stops = dict(summary["stops"])
    for row in summary["positions"]:
        symbol, mark = row["symbol"], Decimal(row["mark"])
        gain = _signed(Decimal(row["unrealised_pnl_quote"]))
        parts = [f"entry {_price(row['entry'])}", f"unrealised {gain} {quote}"]
        if stop := stops.pop(symbol, None):
            parts.append(f"stop {_price(stop)} ({percent(abs(mark - Decimal(stop)) / mark)} away)")
        if row["liquidation_distance"]:
            far = percent(row["liquidation_distance"])
            parts.append(f"liquidation {_price(row['liquidation'])} ({far} away)")
        yield f"{row['side']} {amount(row['size'])} {symbol} at {times(row['leverage'])}, {', '.join(parts)}"
    for symbol, stop in stops.items():
        yield f"stop of {symbol} at {_price(stop)}, without a position"


def _sectors(summary: Mapping[str, Any], quote: str) -> str:
    """The book by what it is in, and the cash reserve, which is no part of it."""
    sleeves = {name.partition("."): row for name, row in summary["sleeves"].items()}
    spot = [
        f"{sector} {percent(row['share'])} (target {percent(row['target_share'])})"
        for (sector, _, kind), row in sleeves.items()
        if kind == "spot"
    ]
    perp = sum((Decimal(row["share"]) for (_, _, kind), row in sleeves.items() if kind == "futures"), ZERO)
    parts = [f"spot {', '.join(spot)}", f"perp collateral {percent(perp)}"]
    cash, wanted = Decimal(summary["reserve_quote"]), Decimal(summary["reserve_wanted_quote"])
    if (idle := percent(share(max(ZERO, cash - wanted), Decimal(summary["book_quote"])))) != percent(ZERO):
        parts.append(f"cash {idle}")
    reserve = money(min(cash, wanted))
    apart = "" if reserve == money(ZERO) else f"; apart: reserve {reserve} {quote}"
    return f"{', '.join(parts)} of the book{apart}"


def _orders(counts: Mapping[str, int]) -> str:
    shown = {name: count for name, count in counts.items() if count or name in {"sent", "filled", "rejected"}}
    return ", ".join(f"{count} {_STATES.get(name, name.replace('_', ' '))}" for name, count in shown.items())


def _not_filled(lines: Sequence[str]) -> list[str]:
    more = [f"and {len(lines) - _NAMED_MAX} more: sectorbot orders"] if len(lines) > _NAMED_MAX else []
    return [*lines[:_NAMED_MAX], *more]


def _result(summary: Mapping[str, Any], quote: str) -> Iterator[tuple[str, str]]:
    """The change of equity by what made it, as `sectorbot pnl` has it."""
    profit = summary["profit"]
    if profit is None:
        return
    get = {name: Decimal(profit[f"{name}_quote"]) for name in _PARTS}
    slip = _signed(-get["slippage"])
    split = f"realised {_signed(get['realised'])}, unrealised {_signed(get['unrealised'])}"
    yield "prices", f"{_signed(get['realised'] + get['unrealised'])}: {split} (slippage {slip} in it)"
    fees, direct = round(get["fees"], 2), round(Decimal(summary["fees"].get(quote, "0")), 2)
    paid = f"{_signed(-fees)} ({money(direct)} in {quote}, {money(fees - direct)} in tokens)"
    yield "fees", f"{paid}; funding {_signed(get['funding'])}"
    rest = get["other"] + get["unexplained"] + sum(map(Decimal, profit["flows_quote"].values()), ZERO)
    if round(rest, 2):
        yield "other", f"{_signed(rest)} (deposits, withdrawals, bookings of the exchange, rounding)"


def _price(value: Decimal | str) -> str:
    """Six significant digits or more."""
    number = Decimal(value)
    return amount(round(number, max(2, 5 - number.adjusted())).normalize())


def _signed(value: Decimal) -> str:
    return f"{round(value, 2) or ZERO:+,.2f}"
