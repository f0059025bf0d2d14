"""The document of the page History: equity over time with the condition of each stretch, funding, fees, events.

Equity of today and of every kept turn is worked out from what that turn saw; of the days before, the journal keeps the
equity with which each day began. A turn that lacked a price has no equity.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bot.domain.durations import DAY_MS
from bot.domain.money import ZERO, plain
from bot.journal.errors import SnapshotPruned
from bot.journal.reader import JournalReader
from bot.report import history, queries
from bot.report.charts import NARROW, WIDTH, Band, Chart
from bot.report.format import money, percent, utc
from bot.report.queries import JournalView

Document = dict[str, Any]
SAMPLES_MAX, DAYS_MAX, DETAIL_DAYS = 120, 1_100, 7
MARGIN = 0.06


@dataclass(slots=True)
class EquityCache:
    """Equity by turn: what a turn was worth never changes, and to work it out costs some 30 ms."""

    known: dict[int, tuple[int, Decimal | None]] = field(default_factory=dict)

    def of(self, view: JournalView, number: int) -> tuple[int, Decimal | None] | None:
        """Time and equity of a turn; None once the journal has let go of what it saw."""
        if number not in self.known:
            try:
                record = view.reader.load_cycle(number)
            except SnapshotPruned:
                return None
            if record is None:
                return None
            portfolio = queries.portfolio_of(view, record)
            self.known[number] = (record.at_ms, None if portfolio.unpriced else portfolio.equity)
        return self.known[number]


def history_document(view: JournalView, since: str, cache: EquityCache) -> Document:
    """What happened since, and what it came to.

    Raises:
        CommandFailed: `since` is no span and no date.
    """
    first_ms = first_at(view)
    begin_ms = first_ms if since == "all" else max(first_ms, history.since_ms(since, view.now_ms))
    report = queries.past(view, max(begin_ms, view.now_ms - DETAIL_DAYS * DAY_MS))
    points = equity_points(view, begin_ms, cache)
    bands = _bands(_conditions(view, begin_ms), begin_ms, view.now_ms)
    funding: dict[str, Decimal] = {}
    for payment in view.reader.load_payments(begin_ms):
        if payment.kind == "funding":
            funding[payment.symbol or "?"] = funding.get(payment.symbol or "?", ZERO) + payment.amount
    quote = view.quote
    return report | {
        "since": since,
        "quote": quote,
        "points": [{"at_ms": at, "equity_quote": plain(round(value, 2))} for at, value in points],
        "fees": {asset: plain(fee) for asset, fee in sorted(view.reader.load_fees(begin_ms).items()) if fee},
        "funding_quote": {symbol: plain(paid) for symbol, paid in sorted(funding.items())},
        "funding_sum_quote": plain(sum(funding.values(), ZERO)),
        "conditions": _shares(bands),
        "charts": charts(points, bands, quote),
    }


def first_at(view: JournalView) -> int:
    """The time of the first cycle; now where there is none."""
    result = view.reader.load_first_cycle(0, view.now_ms + DAY_MS)
    return result[1] if result else view.now_ms


def _conditions(view: JournalView, begin_ms: int) -> Sequence[tuple[int, int, str]]:
    """Time, turn and condition: of every turn, or of one a day where the span is long."""
    if view.now_ms - begin_ms <= DETAIL_DAYS * DAY_MS:
        return view.reader.load_conditions_since(begin_ms)
    result = list(_day_turns(view.reader, begin_ms, view.now_ms))
    return [(at, number, str(view.reader.load_decided(number, "condition"))) for number, at in result]


def equity_points(view: JournalView, begin_ms: int, cache: EquityCache) -> list[tuple[int, Decimal]]:
    """Times and equity, oldest first: one of each day, and some of the turns whose snapshots are kept."""
    reader, points = view.reader, dict[int, Decimal]()
    last = reader.next_cycle_number() - 1
    for number, _ in _day_turns(reader, begin_ms, view.now_ms):
        day_ms, value = (reader.load_decided(number, f"memory.{name}") for name in ("day_start_ms", "day_start_equity"))
        if day_ms and value and Decimal(value) > 0 and day_ms >= begin_ms:
            points[int(day_ms)] = Decimal(value)
    kept = min(last, view.settings.journal.keep_snapshots)
    step = max(1, kept // SAMPLES_MAX)
    for number in sorted({*range(last, max(0, last - kept), -step)}):
        result = cache.of(view, number)
        if result is not None and result[1] is not None and result[0] >= begin_ms:
            points[result[0]] = result[1]
    return sorted(points.items())


def _day_turns(reader: JournalReader, begin_ms: int, now_ms: int) -> Iterator[tuple[int, int]]:
    """Number and time of the first cycle of each day."""
    first_day = max(begin_ms, now_ms - DAYS_MAX * DAY_MS) // DAY_MS * DAY_MS
    for day_ms in range(first_day, now_ms + 1, DAY_MS):
        result = reader.load_first_cycle(day_ms, day_ms + DAY_MS)
        if result is not None:
            yield result


def _bands(conditions: Sequence[tuple[int, int, str]], begin_ms: int, now_ms: int) -> list[Band]:
    """Stretches of one condition each."""
    bands: list[Band] = []
    for at_ms, _, condition in conditions:
        start = max(at_ms, begin_ms)
        if bands and bands[-1].style == condition:
            continue
        if bands:
            bands[-1] = Band(bands[-1].start_ms, start, bands[-1].style, bands[-1].title)
        bands.append(Band(start, now_ms, condition, condition))
    return [Band(b.start_ms, b.end_ms, b.style, f"{b.title} from {utc(b.start_ms)}") for b in bands]


def _shares(bands: Sequence[Band]) -> dict[str, str]:
    total = sum(band.end_ms - band.start_ms for band in bands)
    shares: dict[str, int] = {}
    for band in bands:
        shares[band.style] = shares.get(band.style, 0) + band.end_ms - band.start_ms
    return {name: percent(Decimal(span) / total) for name, span in shares.items()} if total else {}


def charts(points: Sequence[tuple[int, Decimal]], bands: Sequence[Band], quote: str) -> list[Document]:
    """Equity and the fall from its highest, each as a wide drawing and one for a phone, with hover values; none of
    fewer than two points."""
    if len(points) < 2:
        return []
    times = [at for at, _ in points]
    equity = [float(value) for _, value in points]
    peak, falls = equity[0], []
    for value in equity:
        peak = max(peak, value)
        falls.append(value / peak - 1 if peak > 0 else 0.0)
    start, end = times[0], max(times[-1], times[0] + 1)
    inside = [Band(max(b.start_ms, start), min(b.end_ms, end), b.style, b.title) for b in bands]
    inside = [band for band in inside if band.end_ms > band.start_ms]
    room = (max(equity) - min(equity)) * MARGIN or max(equity) * 0.001 or 1.0
    said = [f"{money(value)} {quote}" for _, value in points]
    fallen = [percent(Decimal(str(fall))) for fall in falls]

    def high(width: int) -> Document:
        chart = Chart(start, end, min(equity) - room, max(equity) + room, height=240, width=width).bands(inside).grid()
        drawn = chart.line(times, equity, "equity").svg(f"Equity in {quote}, {len(points)} points")
        return {"svg": drawn, "hover": _hover(chart, times, equity, said)}

    def low(width: int) -> Document:
        chart = Chart(start, end, min(*falls, -0.001) * 1.05, 0.0, height=130, unit="%", width=width)
        drawn = chart.bands(inside).grid().area(times, [0.0] * len(times), falls, "fall")
        return {"svg": drawn.svg("Fall of equity from its highest"), "hover": _hover(chart, times, falls, fallen)}

    return [
        {"name": "Equity", "unit": quote, "desk": high(WIDTH), "phone": high(NARROW)},
        {"name": "Drawdown", "unit": "%", "desk": low(WIDTH), "phone": low(NARROW)},
    ]


def _hover(chart: Chart, times: Sequence[int], values: Sequence[float], texts: Sequence[str]) -> list[list[Any]]:
    """Place in the drawing, time and value of each point, for the script that shows them under the pointer."""
    rows = zip(times, values, texts, strict=True)
    return [[round(chart.x(at), 1), round(chart.y(value), 1), utc(at), text] for at, value, text in rows]
