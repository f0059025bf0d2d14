"""The report as one HTML page that needs nothing else: charts, tables, figures with intervals, and what they hide."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from html import escape
from itertools import pairwise
from typing import Any

from bot.domain.durations import DAY_MS
from bot.lab.backtest import figures as stats
from bot.lab.backtest.benchmarks import BTC, HOLD, MONTHLY, WORDS
from bot.lab.backtest.charts import Band, Chart, stacked
from bot.lab.backtest.page_style import STYLE
from bot.lab.backtest.record import Record, day_of
from bot.lab.data.series_gaps import gap_lines

MONTH_MS = 30 * DAY_MS
OURS = "sectorbot"
SLEEVE_STYLES = ("s1", "s2", "s3", "s4", "s5", "s6", "s7")
MINUS = "−"
HELD_SHARE = 0.1  # of the days: from there on it is said first


def page_of(record: Record, document: Mapping[str, Any]) -> str:
    """The whole page; `document` is the one of `record.document_of`."""
    quote = document["quote"]
    sections = (
        ("Equity", _equity(record), f"{quote}, daily, logarithmic; shaded by condition, unshaded is neutral."),
        ("Drawdown", _drawdown(record), "Share of the highest equity so far that is lost; shaded: no entries."),
        ("Capital by sleeve", _sleeves(record), "Shares of equity. Futures sleeves are capital, not exposure."),
        (
            "Perps",
            _perps(record),
            f"Notional of hedges (down) and tactical longs (up), {quote}, at the end of each day.",
        ),
        ("Funding", _funding(record), f"Received so far, {quote}; falling means paid."),
        ("Trading by month", _turnover(record), f"Value executed, {quote}; the initial purchase included."),
    )
    body = "".join(
        f'<section><h2>{name}</h2><p class="note">{escape(message)}</p>{drawn}</section>'
        for name, drawn, message in sections
    )
    title = f"Back-test {document['from']} → {document['to']}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body><main>"
        f"<h1>{title}</h1>{_head(document)}{_warning(document)}{_figures(document)}{body}{_contributions(document)}"
        f"{_costs(document)}{_years(document)}{_campaigns(document)}{_legs(document)}{_months(document)}{_facts(document)}"
        f'<p class="caveat"><strong>What this does not show.</strong> {escape(document["caveat"])}</p>'
        "</main></body></html>\n"
    )


def _head(document: Mapping[str, Any]) -> str:
    ours, quote = document["figures"][OURS], document["quote"]
    cells = (
        (f"{_money(document['equity_end_quote'])} {quote}", f"at the end, of {_money(document['book_quote'])}"),
        (_percent(ours["per_year"]), "per year"),
        (_percent(ours["drawdown_max"]), "deepest drawdown"),
        (_percent(ours["worst_day"]), f"worst day, {day_of(ours['worst_day_ms'])}"),
        ("agree" if document["reconciled"] else "DO NOT AGREE", "books and exchange"),
    )
    return '<div class="head">' + "".join(f"<div><b>{v}</b><span>{k}</span></div>" for v, k in cells) + "</div>"


def _warning(document: Mapping[str, Any]) -> str:
    """What a reader must know before the first figure."""
    message = held_words(document)
    return f'<p class="caveat"><strong>Mind.</strong> {escape(message)}</p>' if message else ""


def held_words(document: Mapping[str, Any]) -> str:
    """How long breakers stopped entries, when that was long; empty otherwise."""
    days = document["days"]
    long = {name: found for name, found in document["held_back"].items() if found["days"] >= HELD_SHARE * days}
    lifted = "until an operator lifts its limit" if document["counts"]["rebased"] else "with nobody to lift its limit"
    return " ".join(
        f"The breaker {name} stopped entries on {found['days']:,} of {days:,} days, between {found['first']} and "
        f"{found['last']}: much of this is a bot that may only sell, "
        f"{lifted}."
        for name, found in long.items()
    )


def _figures(document: Mapping[str, Any]) -> str:
    rows, gaps = [], []
    for name, found in document["figures"].items():
        rows.append(
            (
                f'<i class="key {_style(name)}"></i>{name}',
                _percent(found["total"]),
                _percent(found["per_year"]) + _span(found["per_year_interval"]),
                _percent(found["volatility_year"]),
                f"{found['sharpe']:.2f}".replace("-", MINUS) + _span(found["sharpe_interval"], is_share=False),
                _percent(found["drawdown_max"]) + _span(found["drawdown_interval"]),
                _percent(found["worst_day"]),
                day_of(found["worst_day_ms"]),
            )
        )
    for name, found in document["benchmarks"].items():
        gaps.append(
            (
                f'<i class="key {_style(name)}"></i>{name}',
                found["words"],
                _percent(found["excess_log_growth_year"]),
                _span(found["excess_interval"]),
                f"{found['share_of_resamples_above']:.0%}",
            )
        )
    head = ("", "total", "per year, 90 %", "volatility", "Sharpe, 90 %", "drawdown, 90 %", "worst day", "on")
    against = ("", "what it does", f"{OURS} above it, log growth a year", "90 %", "above in")
    note = (
        f"Below a figure the middle 90 % of {stats.SAMPLES:,} histories, made of blocks of {stats.BLOCK_DAYS} days in "
        "a ring; Sharpe over 0 %; <i>above in</i> is the share of those histories in which the bot ended above the "
        "benchmark. All pay the same fees, spread and depth."
    )
    return (
        f"<section><h2>Figures</h2>{_table(head, rows)}<br>{_table(against, gaps, 'words')}"
        f'<p class="note">{note}</p></section>'
    )


def _equity(record: Record) -> str:
    curves = {name: record.curve(name) for name in (BTC, MONTHLY, HOLD)} | {OURS: record.curve()}
    values = [value for curve in curves.values() for value in curve if value > 0]
    chart = Chart(record.start_ms, record.end_ms, min(values) * 0.95, max(values) * 1.05, height=320, is_log=True)
    chart.bands(_bands(record)).grid()
    for name, curve in curves.items():
        chart.line(record.times_ms, curve, _style(name))
    return chart.svg("Equity and benchmarks over time") + _keys(
        {OURS: "c0", **{name: _style(name) for name in WORDS}}, {f"{name}": f"band-{name}" for name in _names(record)}
    )


def _drawdown(record: Record) -> str:
    names = (BTC, MONTHLY, HOLD)
    curves = {name: stats.drawdowns(record.curve(name)) for name in names} | {OURS: stats.drawdowns(record.curve())}
    low = min(value for curve in curves.values() for value in curve)
    chart = Chart(record.start_ms, record.end_ms, min(low * 1.03, -0.01), 0.0, unit="%")
    chart.bands(_held(record)).grid()
    ours = curves[OURS]
    chart.area(record.times_ms, ours, [0.0] * len(ours), "c0")
    for name, curve in curves.items():
        chart.line(record.times_ms, curve, _style(name))
    held = {"entries held back by a breaker": "band-held"} if any(m.held_back for m in record.moments) else {}
    return chart.svg("Drawdown over time") + _keys({OURS: "c0", **{name: _style(name) for name in WORDS}}, held)


def _sleeves(record: Record) -> str:
    names = list(record.moments[0].sleeves)
    rows = {
        name: [max(0.0, float(m.sleeves.get(name, 0))) / max(1e-9, float(m.equity)) for m in record.moments]
        for name in names
    }
    chart = Chart(record.start_ms, record.end_ms, 0.0, 1.0, unit="%")
    styles = dict(zip(names, SLEEVE_STYLES, strict=False))
    for name, (lower, upper) in stacked(rows).items():
        chart.area(record.times_ms, lower, [min(1.0, value) for value in upper], styles.get(name, "s7"))
    return chart.grid().svg("Capital by sleeve over time") + _keys(styles)


def _perps(record: Record) -> str:
    times = record.times_ms
    shorts, longs = [-float(m.shorts) for m in record.moments], [float(m.longs) for m in record.moments]
    if not any(shorts) and not any(longs):
        return '<p class="note">None was held at the end of any day.</p>'
    low, high = min(*shorts, 0.0) * 1.05, max(*longs, 0.0) * 1.05
    chart = Chart(record.start_ms, record.end_ms, low, high, height=200)
    zero = [0.0] * len(times)
    chart.grid().area(times, shorts, zero, "down").area(times, zero, longs, "up")
    return chart.svg("Notional of perps over time") + _keys({"hedges": "down", "tactical longs": "up"})


def _funding(record: Record) -> str:
    paid = [float(m.funding_quote) for m in record.moments]
    room = max(1.0, max(paid) - min(paid)) * 0.05
    low, high = min(0.0, *paid) - room, max(0.0, *paid) + room
    chart = Chart(record.start_ms, record.end_ms, low, high, height=150)
    return chart.grid().line(record.times_ms, paid, "c0").svg("Funding received so far")


def _turnover(record: Record) -> str:
    rows = []
    for month, found in record.traded.items():
        first = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
        start_ms = max(record.start_ms, int(first.timestamp() * 1000))
        rows.append((start_ms, min(record.end_ms, start_ms + MONTH_MS), float(found.traded_quote)))
    top = max([value for *_, value in rows], default=1.0) * 1.05
    chart = Chart(record.start_ms, record.end_ms, 0.0, top, height=150)
    return chart.grid().bars(rows, "c0").svg("Value traded by month")


def _contributions(document: Mapping[str, Any]) -> str:
    rows = [
        (
            escape(name),
            _money(part["price_quote"]),
            _money(part["funding_quote"]),
            _money(part["fees_quote"]),
            f"<b>{_money(part['net_quote'])}</b>",
            _money(part["slippage_quote"]),
            _money(part["traded_quote"]),
            f"{part['trades']:,}",
        )
        for name, part in document["contributions"].items()
    ]
    quote = document["quote"]
    head = ("", f"prices, {quote}", "funding", "fees", "net", "of it slippage", "traded", "executions")
    note = (
        "Read from the exchange's own trades and statement; the parts add up to the change of equity. A hedge that "
        "cost money in a rising market did what it is for: this is where money came from, not what could have been."
    )
    return f'<section><h2>Where it came from</h2>{_table(head, rows)}<p class="note">{note}</p></section>'


def _costs(document: Mapping[str, Any]) -> str:
    costs, counts, quote = document["costs"], document["counts"], document["quote"]
    refused = ", ".join(f"{name} {count:,}" for name, count in sorted(counts["refused"].items())) or "none"
    held = (
        "; ".join(
            f"{name}: {found['days']:,} days from {found['first']} to {found['last']}"
            for name, found in document["held_back"].items()
        )
        or "never"
    )
    rows = [
        ("turnover", f"{costs['turnover_per_year']:.1f} × mean equity a year, {_money(costs['traded_quote'])} {quote}"),
        ("fees", f"{_money(costs['fees_quote'])} {quote}"),
        ("spread and depth", f"{_money(costs['slippage_quote'])} {quote}"),
        (
            "fees of the benchmarks",
            ", ".join(f"{name} {_money(found['fees_quote'])}" for name, found in document["benchmarks"].items())
            + f" {quote}",
        ),
        ("orders", f"{counts['orders']:,} sent, {counts['orders_rejected']:,} rejected"),
        ("turns", f"{counts['cycles']:,} cycles, {counts['guards']:,} guards, {counts['abandoned']:,} abandoned"),
        ("liquidations", str(counts["liquidations"])),
        ("refused by the gate, intents", escape(refused)),
        ("entries held back by a breaker", escape(held)),
        ("peak of the drawdown begun anew", f"{counts['rebased']} times" if counts["rebased"] else "never"),
        (
            "changes of condition",
            f"{document['condition_changes']}, {document['condition_changes_per_year']:.1f} a year",
        ),
        ("time by condition", ", ".join(f"{n} {s:.0%}" for n, s in document["condition_share"].items())),
    ]
    within = document["within_a_day"]
    if within:
        rows.append(
            ("deepest fall within 24 hours, hourly", _percent(within["fall"]) + f", from {day_of(within['from_ms'])}")
        )
    return f"<section><h2>Costs and counts</h2>{_table((), rows, 'words')}</section>"


def _years(document: Mapping[str, Any]) -> str:
    rows = [
        (year, *(_percent(found[name]) for name in (OURS, *WORDS)), str(found["condition_changes"]))
        for year, found in document["years"].items()
    ]
    head = ("year", OURS, *WORDS, "changes of condition")
    return f"<section><h2>By year</h2>{_table(head, rows)}</section>"


def _campaigns(document: Mapping[str, Any]) -> str:
    rows = []
    for found in document["campaigns"]:
        start, end = float(found["equity_start"]), float(found["equity_end"])
        rows.append(
            (
                str(found["number"]),
                day_of(found["started_ms"]),
                day_of(found["ended_ms"]) if found["ended_ms"] else "runs",
                f"{found['stance_from']} → {found['stance_to']}",
                found["condition"],
                found["state"],
                str(found["tranches"]),
                f"{found['orders']:,}",
                _money(found["traded_quote"]),
                _percent(end / start - 1) if found["ended_ms"] and start else "",
            )
        )
    quote = document["quote"]
    head = (
        "",
        "began",
        "ended",
        "from → to",
        "condition",
        "state",
        "tranches",
        "orders",
        f"traded, {quote}",
        "equity meanwhile",
    )
    return f"<section><h2>Rotations</h2>{_table(head, rows) if rows else '<p>None.</p>'}</section>"


def _legs(document: Mapping[str, Any]) -> str:
    rows = []
    for leg in document["funding_legs"]:
        found = leg["expected"] or {}
        rows.append(
            (
                day_of(leg["at_ms"]),
                f"{leg['id']} {escape(leg['purpose'])}",
                escape(leg["symbol"]),
                leg["side"],
                _money(leg["notional_quote"]),
                _percent(float(found["yield_annual"])) if found else "",
                f"{float(found['hours']) / 24:,.1f}" if found else "",
                f"{float(found['quote']):+,.2f}" if found else "",
                f"{float(leg['actual_quote']):+,.2f}",
            )
        )
    quote = document["quote"]
    head = ("began", "leg", "perp", "side", f"notional, {quote}", "a year", "planned days", "expected", "actual")
    note = (
        "Funding of every perp leg, + received, − paid: expected from the average rate when its tranche began, until "
        "its planned end; actual is what came until the position was closed or another leg added to it."
    )
    table = _table(head, rows) if rows else "<p>None.</p>"
    return f'<section><details><summary>Funding by leg</summary>{table}<p class="note">{note}</p></details></section>'


def _months(document: Mapping[str, Any]) -> str:
    rows = []
    for month, found in document["months"].items():
        traded = document["traded"].get(month, {"traded_quote": "0", "fees_quote": "0", "executions": 0})
        rows.append(
            (
                month,
                *(_percent(found[name]) for name in (OURS, *WORDS)),
                _money(traded["traded_quote"]),
                _money(traded["fees_quote"]),
                f"{traded['executions']:,}",
            )
        )
    quote = document["quote"]
    table = _table(("month", OURS, *WORDS, f"traded, {quote}", f"fees, {quote}", "executions"), rows)
    return f"<section><details><summary>By month</summary>{table}</details></section>"


def _facts(document: Mapping[str, Any]) -> str:
    rows = [
        (symbol, found["from"], found["to"], f"{found['drawn_hours']:,}")
        for symbol, found in document["tokens"].items()
    ]
    cadence = document["cadence"]
    message = (
        f"Configuration {document['config_digest']}, seed {document['seed']}, decisions every "
        f"{cadence['decide_hours']} h and guards every {cadence['guard_hours']} h. Tokens without candles: "
        f"{', '.join(document['absent']) or 'none'}."
    )
    if document["cut"]:
        cut_symbols = ", ".join(f"{symbol} before {day}" for symbol, day in document["cut"].items())
        message += f" Left out as another listing's, after a long hole: {cut_symbols}."
    table = _table(("symbol", "candles from", "to", "hours drawn from daily candles"), rows)
    lines = [message, *gap_lines(document["gaps"], document["to"])]
    note = "".join(f'<p class="note">{escape(line)}</p>' for line in lines)
    return f"<section><details><summary>What it ran on</summary>{note}{table}</details></section>"


def _bands(record: Record) -> list[Band]:
    turns = record.turns
    ends = [*(turn.at_ms for turn in turns[1:]), record.end_ms]
    return [
        Band(
            turn.at_ms,
            end_ms,
            f"band-{turn.condition}",
            f"{turn.condition}, stance {turn.stance}, {day_of(turn.at_ms)}",
        )
        for turn, end_ms in zip(turns, ends, strict=True)
        if turn.condition != "neutral"
    ]


def _held(record: Record) -> list[Band]:
    """Stretches of days on which a breaker stopped entries."""
    found: list[Band] = []
    for before, after in pairwise(record.moments):
        if not before.held_back:
            continue
        title = f"no entries: {', '.join(before.held_back)}, {day_of(before.at_ms)}"
        if found and found[-1].end_ms == before.at_ms:
            found[-1] = replace(found[-1], end_ms=after.at_ms)
        else:
            found.append(Band(before.at_ms, after.at_ms, "band-held", title))
    return found


def _names(record: Record) -> list[str]:
    return list(dict.fromkeys(turn.condition for turn in record.turns if turn.condition != "neutral"))


def _style(name: str) -> str:
    return {OURS: "c0", HOLD: "c1", MONTHLY: "c2", BTC: "c3"}.get(name, "c0")


def _keys(*groups: Mapping[str, str]) -> str:
    found = [
        f'<span><i class="key {style}"></i>{escape(name)}</span>' for group in groups for name, style in group.items()
    ]
    return f'<p class="keys">{"".join(found)}</p>'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], style: str = "") -> str:
    top = "<thead><tr>" + "".join(f"<th>{cell}</th>" for cell in head) + "</tr></thead>" if head else ""
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table class="{style}">{top}<tbody>{body}</tbody></table></div>'


def _percent(value: float) -> str:
    return f"{value:+.1%}".replace("-", MINUS)


def _span(interval: Mapping[str, float], *, is_share: bool = True) -> str:
    low, high = interval["low"], interval["high"]
    text = f"{low:+.0%} … {high:+.0%}" if is_share else f"{low:.1f} … {high:.1f}"
    return f'<span class="span">{text.replace("-", MINUS)}</span>'


def _money(value: str) -> str:
    return f"{float(value):,.0f}".replace("-", MINUS)
