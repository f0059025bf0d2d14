"""Rows as tables for a terminal: readable at 100 columns, richer at 130 and more, and without colour.

Takes the mappings of `rows`; knows nothing of the journal or of the domain.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from bot.domain.symbol import base_of
from bot.report.format import NONE, Column, TextTable, age, amount, coloured, moment, money, percent, times, utc
from bot.report.notices import undelivered_text
from bot.report.profit.views import profit_line

Rows = Sequence[Mapping[str, Any]]
WIDE = 130


def intents_table(rows: Rows, quote: str, width: int) -> RenderableType:
    """Intended orders. On a narrow terminal the reasons stand below the table, numbered like its rows."""
    columns = [
        Column("#", True),
        Column("tranche", True, rank=3),
        Column("purpose", rank=4),
        Column("instrument"),
        Column("side"),
        Column("size", True),
        Column(f"limit {quote}", True),
        Column(f"notional {quote}", True),
        Column(f"margin {quote}", True, rank=2),
        Column("leverage", True, rank=1),
    ]
    cells = [
        [
            str(number),
            str(row["tranche"]),
            row["purpose"],
            row["symbol"],
            _side(row),
            f"{amount(row['size'])} {row['unit']}",
            amount(row["limit"]),
            money(row["notional_quote"]),
            money(row["margin_quote"]),
            times(row["leverage"]),
        ]
        for number, row in enumerate(rows, start=1)
    ]
    return _with_message("Intended orders", columns, cells, [row["words"] for row in rows], "why", width)


def verdicts_table(rows: Rows, width: int) -> RenderableType:
    """The gate's answers, one per intent."""
    columns = [
        Column("#", True),
        Column("purpose"),
        Column("instrument"),
        Column("side"),
        Column("verdict"),
        Column("reason"),
    ]
    cells = [
        [
            str(row["number"]),
            row["purpose"] or NONE,
            row["symbol"] or row["id"],
            row["side"] or NONE,
            row["verdict"],
            row["reason"] or NONE,
        ]
        for row in rows
    ]
    return _with_message("Risk gate", columns, cells, [row["words"] for row in rows], "in words", width)


def sleeves_table(rows: Rows, quote: str) -> RenderableType:
    """Capital per sleeve, as it is and as it is wanted; net exposure is the sector's spot and perps together."""
    columns = [
        Column("sleeve"),
        Column(f"capital {quote}", True),
        Column("of book", True),
        Column("target", True),
        Column(f"target {quote}", True, rank=1),
        Column(f"to move {quote}", True),
        Column(f"net exposure {quote}", True, rank=2),
    ]
    cells = [
        [
            row["sleeve"],
            money(row["value_quote"]),
            percent(row["share"]),
            percent(row["target_share"]),
            money(row["target_quote"]),
            money(row["left_quote"]),
            money(row["net_exposure_quote"]),
        ]
        for row in rows
    ]
    return TextTable("Sleeves", columns, cells)


def _role(row: Mapping[str, Any]) -> str:
    return f"hedge of {row['covers']}" if row["covers"] else row["role"] or NONE


def positions_table(rows: Rows, quote: str) -> RenderableType:
    """Open perps; distance is how far mark is from liquidation."""
    columns = [
        Column("perp"),
        Column("side"),
        Column("size", True),
        Column(f"entry {quote}", True, rank=1),
        Column(f"mark {quote}", True),
        Column(f"margin {quote}", True, rank=3),
        Column("leverage", True, rank=2),
        Column("distance", True),
        Column(f"uPnL {quote}", True),
        Column("role", rank=4),
    ]
    cells = [
        [
            row["symbol"],
            row["side"],
            f"{amount(row['size'])} {row['unit']}",
            amount(row["entry"]),
            amount(row["mark"]),
            money(row["margin_quote"]),
            times(row["leverage"]),
            percent(row["liquidation_distance"]),
            money(row["unrealised_pnl_quote"]),
            _role(row),
        ]
        for row in rows
    ]
    return TextTable("Perp positions", columns, cells)


def orders_table(rows: Rows, quote: str, now_ms: int) -> RenderableType:
    """Orders, newest first as given, each with the time at which it was sent."""
    columns = [
        Column("sent UTC"),
        Column("purpose", rank=1),
        Column("instrument"),
        Column("side"),
        Column("size", True),
        Column("filled", True, rank=2),
        Column(f"filled {quote}", True),
        Column(f"average {quote}", True, rank=4),
        Column("fee", rank=5),
        Column("state"),
        Column("client id", True, rank=3),
    ]
    cells = [
        [
            moment(row["sent_ms"], now_ms),
            row["purpose"],
            row["symbol"],
            row["side"],
            amount(row["size"]),
            amount(row["filled_size"]),
            money(row["filled_quote"]),
            amount(row.get("average")),
            ", ".join(f"{amount(fee)} {asset}" for asset, fee in row.get("fees", {}).items()) or NONE,
            row["state"].replace("_", " "),
            row["client_id"],
        ]
        for row in rows
    ]
    return TextTable("Orders", columns, cells)


def plan_table(rows: Rows, quote: str) -> RenderableType:
    """The phases of a tranche, in the order they run."""
    columns = [
        Column("#", True),
        Column("phase"),
        Column("sector"),
        Column("side"),
        Column("instruments"),
        Column(f"value {quote}", True),
        Column(f"margin {quote}", True, rank=2),
        Column("leverage", True, rank=1),
    ]
    cells = []
    for number, row in enumerate(rows, start=1):
        names = row["instruments"]
        shown = names[0] if len(names) == 1 else f"{len(names)} tokens: {', '.join(base_of(n) for n in names)}"
        cells.append(
            [
                str(number),
                row["purpose"],
                row["sector"],
                row["side"],
                shown,
                money(row["value_quote"]),
                money(row["margin_quote"]) if row["margin_quote"] else NONE,
                times(row["leverage"]),
            ]
        )
    return TextTable(f"Plan of tranche {rows[0]['tranche']}" if rows else "Plan", columns, cells)


def legs_table(rows: Rows, quote: str) -> RenderableType:
    """What was executed, by purpose and instrument."""
    columns = [
        Column("purpose"),
        Column("instrument"),
        Column("side"),
        Column("orders", True),
        Column("filled size", True),
        Column(f"filled {quote}", True),
    ]
    cells = [
        [
            row["purpose"],
            row["symbol"],
            row["side"],
            str(row["orders"]),
            amount(row["filled_size"]),
            money(row["filled_quote"]),
        ]
        for row in rows
    ]
    return TextTable("Executed", columns, cells)


def outcomes_table(rows: Rows, quote: str, width: int) -> RenderableType:
    """What became of the approved intents of one cycle."""
    columns = [
        Column("#", True),
        Column("purpose", rank=1),
        Column("instrument"),
        Column("side"),
        Column("filled", True),
        Column("of", True, rank=2),
        Column(f"average {quote}", True),
        Column(f"value {quote}", True),
        Column("state"),
    ]
    cells = [
        [
            str(number),
            row["purpose"],
            row["symbol"],
            row["side"],
            amount(row["filled_size"]),
            amount(row["size"]),
            amount(row["average"]),
            money(row["filled_quote"]),
            (row["state"] or "not sent").replace("_", " "),
        ]
        for number, row in enumerate(rows, start=1)
    ]
    return _with_message("Executed", columns, cells, [row["words"] for row in rows], "notes", width)


def totals_line(counts: Mapping[str, int], fees: Mapping[str, str], funding: Mapping[str, str], quote: str) -> Text:
    """Orders, fees and funding in one line."""
    orders = ", ".join(
        f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count or name in _ALWAYS
    )
    paid = ", ".join(f"{amount(total)} {asset}" for asset, total in fees.items()) or f"0 {quote}"
    got = ", ".join(f"{money(total)} {quote} on {symbol}" for symbol, total in funding.items()) or f"0 {quote}"
    return Text(f"orders: {orders}\nfees: {paid}\nfunding (+ received, − paid): {got}")


def status_lines(row: Mapping[str, Any]) -> Text:
    """`status` in lines of name and value."""
    quote, now_ms = row["quote"] or "", row["now_ms"]
    kill = row["kill_switch"] + (f" ({row['kill_reason']})" if row["kill_reason"] else "")
    if row["kill_switch"] != "off" and row["kill_by"]:
        kill += f", by {row['kill_by']}, {utc(row['kill_since_ms'], row['now_ms'])}"
    held, account = row.get("held_seconds") or {}, row.get("account") or ()
    obstacles = [f"the venue asks for silence on {name}, {seconds} s" for name, seconds in held.items()]
    obstacles += [f"ENTRIES STOPPED: {message}" for message in account]
    if row.get("kill_pending"):
        kill += f"; NOT YET WITHDRAWN: {', '.join(row['kill_pending'])}"
    fall = f"{percent(row['drawdown'])} from the peak"
    if row.get("peak_since_ms"):
        fall += f", which began anew {utc(row['peak_since_ms'], now_ms)}"
    if row.get("drawdown_since_ms"):
        since, until = utc(row["drawdown_since_ms"], now_ms), utc(row["drawdown_until_ms"], now_ms)
        fall += f", ENTRIES STOPPED since {since} until {until}, when the peak begins anew"
    lines = {
        "mode": f"{row['mode']} on {row['venue']}, environment {row['environment']}",
        "kill switch": kill,
        "last cycle": f"{row['last_cycle']}, {utc(row['last_cycle_ms'], now_ms)}" if row["last_cycle_ms"] else "never",
        "condition": f"{row['condition']}, stance {row['stance']}",
        "equity": _equity(row, quote),
        "book": _parts(row, quote),
        "drawdown": f"{fall}, {percent(row['fall_today'])} since 00:00 UTC",
        **({"risk": _risk_text(row["exposure"])} if row.get("exposure") else {}),
        "profit": profit_line(row.get("profit") or {}, quote),
        "orders": _counts(row),
        "locked": ", ".join(f"{symbol}: {message}" for symbol, message in row["locked"].items()) or "nothing",
    }
    if row.get("unlisted"):
        lines["left out"] = "; ".join(row["unlisted"])
    if row.get("notices_dead"):
        lines["notices"] = "; ".join(undelivered_text(dead, now_ms) for dead in row["notices_dead"])
    if row.get("streams"):
        lines["streams"] = "; ".join(stream_text(name, stream) for name, stream in row["streams"].items())
    return _lines(lines | ({"venue": "; ".join(obstacles)} if obstacles else {}))


def _risk_text(exposure: Mapping[str, Any]) -> str:
    """Volatility and betas, and the shock that costs most against its limit; `plan` has the whole table."""
    first, worst = exposure["words"][0], min(exposure["stresses"], key=lambda stress: Decimal(stress["change"]))
    loss = max(Decimal(0), -Decimal(worst["change"]))
    return f"{first}; worst shock {worst['name']}: {loss:.1%} of equity, limit {Decimal(exposure['limit']):.0%}"


def stream_text(name: str, stream: Mapping[str, Any]) -> str:
    """One stream of the health file in words."""
    age = f"{stream['silent_seconds']:.0f} s"
    if stream["is_fresh"]:
        return f"{name} {age} ago"
    return f"{name} LATE, silent for {age}" + (f" ({stream['problem']})" if stream["problem"] else "")


def _equity(row: Mapping[str, Any], quote: str) -> str:
    if row["unpriced"]:
        return f"not known: no price of {', '.join(row['unpriced'])}"
    return f"{money(row['equity_quote'])} {quote}".strip()


def _parts(row: Mapping[str, Any], quote: str) -> str:
    """What equity is made of: the book that is shared out, and what is set aside from it."""
    outside = Decimal(row["outside_quote"] or 0)
    aside = f"reserve {money(row['reserve_quote'])}" + (f" + outside the sectors {money(outside)}" if outside else "")
    return f"{money(row['book_quote'])} + {aside} {quote}; free cash {money(row['cash_quote'])} {quote}"


def _counts(row: Mapping[str, Any]) -> str:
    parts = [f"{count} {name.replace('_', ' ')}" for name, count in row["orders"].items()]
    return ", ".join([f"{parts[0]} ({row['orders_today']} today)", *parts[1:]])


def switch_line(row: Mapping[str, Any]) -> Text | None:
    """What the kill switch means for targets that are shown; None while it is off."""
    if row["kill_switch"] == "off":
        return None
    return coloured(
        f"{row['kill_switch']} is in force: nothing will be bought, and the targets are not worked towards", "bold"
    )


def why_view(row: Mapping[str, Any], now_ms: int) -> RenderableType:
    """A decision in words: the reading, its signals, the rules that spoke, what would change it, all notes."""
    phases = ", ".join(f"{sector} {phase}" for sector, phase in row["phases"].items()) or NONE
    head = _lines(
        {
            "cycle": f"{row['cycle']}, {utc(row['at_ms'], now_ms)}",
            **({"kill switch": row["kill"]} if row.get("kill") else {}),
            "condition": row["condition"] + (f" since {utc(row['since_ms'], row['at_ms'])}" if row["since_ms"] else ""),
            "confidence": percent(row["confidence"]),
            "stance": row["stance"],
            "phases": phases,
        }
    )
    columns = [Column("signal"), Column("value", True), Column("score", True), Column("age", True), Column("in words")]
    cells = [
        [s["name"], f"{s['value']:,.4g}", f"{s['score']:+.2f}", age(s["age_ms"]), s["words"]] for s in row["signals"]
    ]
    parts: list[RenderableType] = [
        head,
        Text(),
        TextTable("Signals (score −1 to +1, + speaks for risk)", columns, cells),
    ]
    if row["evidence"]:
        parts.append(_evidence_grid(row["evidence"]))
    rules = [*row["rule"], *(note["words"] for note in row["rules"])]
    if row.get("kill"):
        rules.insert(0, f"the kill switch: {row['kill']}; `sectorbot resume --reason …` ends it")
    parts.append(_bullets("Rules that spoke", rules))
    parts.append(_bullets("What would change its mind", row["would_change"]))
    rest = [f"{note['reason']}: {note['words']}" for note in row["notes"] if note not in row["rules"]]
    parts.append(_bullets("Notes", [*rest, *(f"missing: {what}" for what in row["missing"])]))
    return Group(*parts)


def _evidence_grid(rows: Rows) -> RenderableType:
    columns = [Column("condition"), Column("confidence", True), Column("begins at", True), Column("made of, percent")]
    cells = [
        [row["condition"], percent(row["confidence"]), percent(row["enter"]), ", ".join(map(_part, row["parts"]))]
        for row in rows
    ]
    return TextTable("Conditions", columns, cells)


def _part(part: Mapping[str, Any]) -> str:
    has, most = (100 * float(part[name]) for name in ("points", "share"))
    return f"{part['signal']} {'missing' if part['score'] is None else f'{has:.0f}'} of {most:.0f}"


_ALWAYS = ("sent", "filled", "rejected", "in_doubt")


def _side(row: Mapping[str, Any]) -> str:
    return f"{row['side']} (reduce)" if row["reduce_only"] else str(row["side"])


def _with_message(
    title: str, columns: list[Column], cells: list[list[str]], message: Sequence[str], heading: str, width: int
) -> RenderableType:
    """Words as a last column where there is room, else as numbered lines below."""
    if not any(message):
        return TextTable(title, columns, cells)
    if width >= WIDE:
        rows = [[*row, said or NONE] for row, said in zip(cells, message, strict=True)]
        return TextTable(title, [*columns, Column(heading)], rows)
    below = [Text(f"{row[0]:>3}  {said}") for row, said in zip(cells, message, strict=True) if said]
    return Group(TextTable(title, columns, cells), *below, Text())


def _bullets(title: str, lines: Sequence[str]) -> Text:
    text = Text(f"{title}\n", "bold")
    for line in lines or ["none"]:
        text.append(f"  · {line}\n", "not bold")
    return text


def _lines(values: Mapping[str, str]) -> Text:
    widest = max(len(name) for name in values)
    return coloured("\n".join(f"{name.ljust(widest)}  {value}" for name, value in values.items()))
