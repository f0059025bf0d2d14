"""The report as one self-contained HTML page: charts, tables, figures with intervals and their limits.

`page.html.jinja` has sections, tables and sentences; here are the charts and the spelling of figures.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from bot.domain.durations import DAY_MS
from bot.lab.backtest import figures as stats
from bot.lab.backtest.benchmarks import BTC, HOLD, MONTHLY, WORDS
from bot.lab.backtest.record import Record, day_of
from bot.lab.data.series_gaps import gap_lines
from bot.lab.tear_sheet.sections import MONTHS, fall_rows, heat_rows, split_rotations, spread_rows, token_rows
from bot.lab.tear_sheet.spans import ROLLING_DAYS, rolling
from bot.report.charts import NARROW, WIDTH, Band, Chart, stacked

MONTH_MS = 30 * DAY_MS
OURS = "sectorbot"
SLEEVE_STYLES = ("s1", "s2", "s3", "s4", "s5", "s6", "s7")
CURVE_STYLES = {OURS: "c0", HOLD: "c1", MONTHLY: "c2", BTC: "c3"}
LEGEND = {name: CURVE_STYLES[name] for name in (OURS, *WORDS)}
MINUS = "−"
TOO_SHORT = "–"
HELD_SHARE = 0.1  # of the days: from there on it is said first

Drawing = tuple[str, Mapping[str, str]]
"""A chart as SVG, empty where there is nothing to draw, and its legend: names with their style."""


def page_of(record: Record, document: Mapping[str, Any]) -> str:
    """The whole page; `document` is the one of `record.document_of`."""
    quote = document["quote"]
    charts = (
        ("Equity", _equity, f"{quote}, daily, logarithmic; shaded by condition, unshaded is neutral."),
        ("Drawdown", _drawdown, "Share of the highest equity so far that is lost; shaded: no entries."),
        ("Capital by sleeve", _sleeves, "Shares of equity. Futures sleeves are capital, not exposure."),
        (
            "Perps",
            _perps,
            f"Notional of hedges (down) and tactical longs (up), {quote}, at the end of each day.",
        ),
        ("Funding", _funding, f"Received so far, {quote}; falling means paid."),
        ("Trading by month", _turnover, f"Value executed, {quote}; the initial purchase included."),
        (
            "Rolling return and volatility",
            _rolling,
            f"Return and volatility a year, of the {ROLLING_DAYS} days before.",
        ),
        ("Rolling beta", _beta, f"Daily returns against {record.market_symbol}, over the {ROLLING_DAYS} days before."),
    )
    campaigns, blank = split_rotations(document["campaigns"])
    return _template().render(
        title=f"Back-test {document['from']} → {document['to']}",
        document=document,
        ours=OURS,
        benchmarks=list(WORDS),
        held=held_text(document),
        charts=[
            {"name": name, "wide": _drawn(draw, record, WIDTH), "narrow": _drawn(draw, record, NARROW), "note": note}
            for name, draw, note in charts
        ],
        samples=stats.SAMPLES,
        block_days=stats.BLOCK_DAYS,
        facts=_facts(document),
        months=MONTHS,
        heat=heat_rows(document),
        falls=fall_rows(record),
        spread=spread_rows(record),
        tokens=token_rows(document),
        stances=[*document["by_stance"].items(), ("all", document["whole"])],
        campaigns=campaigns,
        blank=blank,
        **_lists(document),
    )


def _drawn(draw: Callable[[Record, int], Drawing], record: Record, width: int) -> Mapping[str, Any]:
    """A chart in one width: wide for a desk, narrow for a phone."""
    svg, legend = draw(record, width)
    return {"svg": Markup(svg), "legend": legend}  # noqa: S704 - charts escape their words


def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "curve": CURVE_STYLES.__getitem__,
        "day": day_of,
        "growth": _growth,
        "interval": _interval,
        "money": _money,
        "percent": _percent,
        "ratio": _ratio,
    }
    return environment.get_template("page.html.jinja")


def held_text(document: Mapping[str, Any]) -> str:
    """On how many days breakers stopped entries, when that was more than a tenth of them; empty otherwise."""
    days, held = document["days"], document["held_days"]
    if not document["held_back"] or held < HELD_SHARE * days:
        return ""
    which = ", ".join(
        f"{name} on {one['days']:,} between {one['first']} and {one['last']}"
        for name, one in document["held_back"].items()
    )
    rebased = document["counts"]["rebased"]
    ending = f"the peak began anew {rebased} times" if rebased else "nobody lifted the limit"
    return (
        f"Breakers stopped entries on {held:,} of {days:,} days ({which}): much of this is a bot that may only sell; "
        f"{ending}."
    )


def _lists(document: Mapping[str, Any]) -> Mapping[str, str]:
    """Enumerations of the table of costs and counts, each in one cell."""
    refused, held = document["counts"]["refused"], document["held_back"]
    return {
        "refused": ", ".join(f"{name} {count:,}" for name, count in sorted(refused.items())),
        "held_back": "; ".join(
            f"{name}: {one['days']:,} days from {one['first']} to {one['last']}" for name, one in held.items()
        ),
        "fees_of_benchmarks": ", ".join(
            f"{name} {_money(one['fees_quote'])}" for name, one in document["benchmarks"].items()
        ),
        "condition_share": ", ".join(f"{name} {share:.0%}" for name, share in document["condition_share"].items()),
    }


def _equity(record: Record, width: int) -> Drawing:
    curves = {name: record.curve(name) for name in (BTC, MONTHLY, HOLD)} | {OURS: record.curve()}
    values = [value for curve in curves.values() for value in curve if value > 0]
    chart = Chart(
        record.start_ms, record.end_ms, min(values) * 0.95, max(values) * 1.05, height=320, is_log=True, width=width
    )
    chart.bands(_bands(record)).grid()
    for name, curve in curves.items():
        chart.line(record.times_ms, curve, CURVE_STYLES[name])
    chart.slices(_texts(record, {name: (curve, _whole) for name, curve in curves.items()}))
    conditions = {name: f"band-{name}" for name in _names(record)}
    return chart.svg("Equity and benchmarks over time"), LEGEND | conditions


def _drawdown(record: Record, width: int) -> Drawing:
    names = (BTC, MONTHLY, HOLD)
    curves = {name: stats.drawdowns(record.curve(name)) for name in names} | {OURS: stats.drawdowns(record.curve())}
    low = min(value for curve in curves.values() for value in curve)
    chart = Chart(record.start_ms, record.end_ms, min(low * 1.03, -0.01), 0.0, unit="%", width=width)
    chart.bands(_held(record)).grid()
    ours = curves[OURS]
    chart.area(record.times_ms, ours, [0.0] * len(ours), "c0")
    for name, curve in curves.items():
        chart.line(record.times_ms, curve, CURVE_STYLES[name])
    chart.slices(_texts(record, {name: (curve, _percent) for name, curve in curves.items()}))
    held = {"entries held back by a breaker": "band-held"} if any(m.held_back for m in record.moments) else {}
    return chart.svg("Drawdown over time"), LEGEND | held


def _sleeves(record: Record, width: int) -> Drawing:
    names = list(record.moments[0].sleeves)
    rows = {
        name: [max(0.0, float(m.sleeves.get(name, 0))) / max(1e-9, float(m.equity)) for m in record.moments]
        for name in names
    }
    chart = Chart(record.start_ms, record.end_ms, 0.0, 1.0, unit="%", width=width)
    styles = dict(zip(names, SLEEVE_STYLES, strict=False))
    for name, (lower, upper) in stacked(rows).items():
        chart.area(record.times_ms, lower, [min(1.0, value) for value in upper], styles.get(name, "s7"))
    chart.grid().slices(_texts(record, {name: (shares, _percent) for name, shares in rows.items()}))
    return chart.svg("Capital by sleeve over time"), styles


def _perps(record: Record, width: int) -> Drawing:
    times = record.times_ms
    shorts, longs = [-float(m.shorts) for m in record.moments], [float(m.longs) for m in record.moments]
    if not any(shorts) and not any(longs):
        return "", {}
    low, high = min(*shorts, 0.0) * 1.05, max(*longs, 0.0) * 1.05
    chart = Chart(record.start_ms, record.end_ms, low, high, height=200, width=width)
    zero = [0.0] * len(times)
    chart.grid().area(times, shorts, zero, "down").area(times, zero, longs, "up")
    chart.slices(_texts(record, {"hedges": (shorts, _whole), "tactical longs": (longs, _whole)}))
    return chart.svg("Notional of perps over time"), {"hedges": "down", "tactical longs": "up"}


def _funding(record: Record, width: int) -> Drawing:
    paid = [float(m.funding_quote) for m in record.moments]
    room = max(1.0, max(paid) - min(paid)) * 0.05
    low, high = min(0.0, *paid) - room, max(0.0, *paid) + room
    chart = Chart(record.start_ms, record.end_ms, low, high, height=150, width=width)
    chart.grid().line(record.times_ms, paid, "c0").slices(_texts(record, {"received": (paid, _whole)}))
    return chart.svg("Funding received so far"), {}


def _turnover(record: Record, width: int) -> Drawing:
    rows = []
    for month, found in record.traded.items():
        first = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
        start_ms = max(record.start_ms, int(first.timestamp() * 1000))
        rows.append((start_ms, min(record.end_ms, start_ms + MONTH_MS), float(found.traded_quote)))
    top = max([value for *_, value in rows], default=1.0) * 1.05
    chart = Chart(record.start_ms, record.end_ms, 0.0, top, height=150, width=width)
    names = [(start_ms, f"{day_of(start_ms)[:7]}: {_whole(value)}") for start_ms, _, value in rows]
    return chart.grid().bars(rows, "c0").slices(names).svg("Value traded by month"), {}


def _rolling(record: Record, width: int) -> Drawing:
    found = rolling(record.curve(), record.curve(BTC))
    if found is None:
        return "", {}
    times = [record.times_ms[place] for place in found.places]
    low, high = min(*found.returns, 0.0) * 1.05, max(*found.returns, *found.volatility_year) * 1.05
    chart = Chart(times[0], times[-1], low, high, unit="%", width=width)
    chart.grid().line(times, found.returns, "c0").line(times, found.volatility_year, "c1")
    chart.slices(
        [
            (at_ms, f"{day_of(at_ms)}: return {_percent(change)}, volatility {_percent(volatility)}")
            for at_ms, change, volatility in zip(times, found.returns, found.volatility_year, strict=True)
        ]
    )
    return chart.svg("Return and volatility of the days before"), {"return": "c0", "volatility a year": "c1"}


def _beta(record: Record, width: int) -> Drawing:
    found = rolling(record.curve(), record.curve(BTC))
    if found is None:
        return "", {}
    times = [record.times_ms[place] for place in found.places]
    chart = Chart(
        times[0], times[-1], min(*found.beta, 0.0) * 1.05, max(*found.beta, 1.0) * 1.05, height=150, width=width
    )
    chart.grid().line(times, found.beta, "c0")
    chart.slices([(at, f"{day_of(at)}: {_ratio(beta)}") for at, beta in zip(times, found.beta, strict=True)])
    return chart.svg("Beta of the days before"), {}


def _texts(
    record: Record, curves: Mapping[str, tuple[Sequence[float], Callable[[float], str]]]
) -> list[tuple[int, str]]:
    """What a chart shows under the pointer: the day, and each curve's value there."""
    return [
        (
            at_ms,
            f"{day_of(at_ms)}: "
            + ", ".join(f"{name} {spell(values[place])}" for name, (values, spell) in curves.items()),
        )
        for place, at_ms in enumerate(record.times_ms)
    ]


def _whole(value: float) -> str:
    return f"{value:,.0f}".replace("-", MINUS)


def _facts(document: Mapping[str, Any]) -> list[str]:
    """What the run was made of, a line each."""
    cadence = document["cadence"]
    message = (
        f"Configuration {document['config_digest']}, seed {document['seed']}, decisions every "
        f"{cadence['decide_hours']} h and guards every {cadence['guard_hours']} h. Tokens without candles: "
        f"{', '.join(document['absent']) or 'none'}."
    )
    if document["cut"]:
        cut_symbols = ", ".join(f"{symbol} before {day}" for symbol, day in document["cut"].items())
        message += f" Left out as another listing's, after a long hole: {cut_symbols}."
    return [message, *gap_lines(document["gaps"], document["to"])]


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


def _growth(rotation: Mapping[str, Any]) -> str:
    """Change of equity during a rotation that has ended."""
    start, end = float(rotation["equity_start"]), float(rotation["equity_end"])
    return _percent(end / start - 1) if rotation["ended_ms"] and start else ""


def _percent(value: float | None) -> str:
    return TOO_SHORT if value is None else f"{value:+.1%}".replace("-", MINUS)


def _ratio(value: float | None) -> str:
    return TOO_SHORT if value is None else f"{value:.2f}".replace("-", MINUS)


def _interval(interval: Mapping[str, float] | None, is_share: bool) -> str:
    if interval is None:
        return "too short"
    low, high = interval["low"], interval["high"]
    text = f"{low:+.0%} … {high:+.0%}" if is_share else f"{low:.1f} … {high:.1f}"
    return text.replace("-", MINUS)


def _money(value: str) -> str:
    return f"{float(value):,.0f}".replace("-", MINUS)
