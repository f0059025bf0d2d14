"""Every metric of a bot. Names end in their unit; amounts are in the quote currency.

Metrics are floats: they inform a person, and nothing decides by them.
"""

from collections.abc import Mapping
from math import nan

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

PREFIX = "sectorbot"
TURN_BUCKETS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
LATENCY_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5)
ORDER_BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60)
LAG_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)


class MetricSet:
    """The metrics of one run, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.build = Info(f"{PREFIX}_build", "What runs: version, code, configuration, place", registry=self.registry)
        self._add_money()
        self._add_orders()
        self._add_turns()
        self._add_process()
        for unknown in (self.equity, self.book, self.cash, self.peak, self.drawdown, self.profit_today, self.agreed):
            unknown.set(nan)  # until a turn has read them; no alert compares with it

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"{PREFIX}_{name}", text, labels, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"{PREFIX}_{name}", text, labels, buckets=buckets, registry=self.registry)

    def _add_money(self) -> None:
        self.equity = self._gauge("equity_quote", "Value of the account")
        self.book = self._gauge("book_quote", "Equity without the reserve")
        self.cash = self._gauge("cash_quote", "Quote money in the spot wallet")
        self.peak = self._gauge("equity_peak_quote", "Peak that the drawdown is measured from")
        self.drawdown = self._gauge("drawdown_ratio", "Fall of equity from its peak, 0 to 1")
        self.profit_today = self._gauge("profit_today_quote", "Equity less equity at 00:00 UTC; deposits count")
        self.profit = self._gauge("profit_quote", "Profit of a period without deposits, by its parts", "period", "part")
        self.fees_today = self._gauge("fees_today", "Fees paid since 00:00 UTC", "asset")
        self.funding_today = self._gauge("funding_today_quote", "Funding received less paid since 00:00 UTC")
        self.turnover_today = self._gauge("turnover_today_quote", "Value executed since 00:00 UTC")
        self.sleeve = self._gauge("sleeve_quote", "Value of a sleeve", "sleeve")
        self.sleeve_target = self._gauge("sleeve_target_quote", "Target value of a sleeve", "sleeve")
        self.position = self._gauge("position_quote", "Value of a perp position, negative for a short", "symbol")
        self.position_profit = self._gauge(
            "position_unrealised_quote", "Unrealised profit of a perp position", "symbol"
        )
        self.liquidation = self._gauge(
            "liquidation_distance_ratio", "How far mark may move to the liquidation", "symbol"
        )
        self.unpriced = self._gauge(
            "unpriced_holdings", "Holdings without a price; equity is not known while there are any"
        )

    def _add_orders(self) -> None:
        self.orders = self._gauge("orders", "Orders of the journal by state", "state")
        self.working = self._gauge("orders_working", "Orders that the venue may still execute")
        self.in_doubt = self._gauge("orders_in_doubt", "Orders whose outcome is unknown")
        self.doubt_age = self._gauge("doubt_age_seconds", "Age of the oldest order in doubt")
        self.outcomes = self._counter("outcomes", "Approved intents by the state of their last order", "state")
        self.refusals = self._counter("refusals", "Intents that the gate has refused", "reason")
        self.limit_used = self._gauge("limit_used_ratio", "Share of a limit that is used; 1 is the limit", "limit")
        self.kill_level = self._gauge("kill_switch_severity", "Level of the kill switch in force, 0 is off")
        self.breaker = self._gauge("breaker", "1 while a breaker stops entries", "reason")
        self.locked = self._gauge("instruments_locked", "Instruments that may only be reduced")
        self.agreed = self._gauge("books_agreed", "1 while journal and account agree")
        self.unguarded = self._gauge("positions_unguarded", "Perp positions without a full-size stop")
        self.condition = self._gauge("condition", "1 for the market condition that was read", "condition")

    def _add_turns(self) -> None:
        self.turn_seconds = self._histogram("turn_seconds", "Duration of a turn", TURN_BUCKETS, "kind")
        self.turn_at = self._gauge("turn_timestamp_seconds", "When the last turn ended", "kind")
        self.turn_number = self._gauge("turn_number", "Number of the last turn")
        self.missing = self._gauge("readings_missing", "Readings that the last turn lacked")
        self.snapshot_age = self._gauge("snapshot_age_seconds", "Age of what the last turn has read")
        self.account_age = self._gauge("account_age_seconds", "Age of the account reading")
        self.latency = self._histogram("venue_latency_seconds", "Median answer of the venue in a turn", LATENCY_BUCKETS)
        self.skew = self._gauge("clock_skew_seconds", "Clock of the venue less ours")
        self.order_seconds = self._histogram(
            "order_seconds", "From an order's record in the journal to the venue's answer", ORDER_BUCKETS, "market"
        )
        self.requests_used = self._gauge("requests_used_ratio", "Share of the venue's request budget in use", "part")
        self.held = self._gauge("throttle_held_seconds", "How long the venue asks for silence", "part")
        self.stream_silent = self._gauge("stream_silent_seconds", "Time since a stream's last sign of life", "stream")
        self.stream_late = self._gauge("stream_late", "1 while a stream is not fresh and guards poll for it", "stream")

    def _add_process(self) -> None:
        self.events = self._gauge("journal_events", "Events of the journal")
        self.journal_bytes = self._gauge("journal_bytes", "Size of the journal with its log")
        self.silent = self._gauge("part_silent_seconds", "Time since the last sign of life of a part", "part")
        self.late = self._gauge("part_late", "1 while a part is silent for longer than it may be", "part")
        self.lag = self._histogram("event_loop_lag_seconds", "Delay of the event loop", LAG_BUCKETS)
        self.problem = self._gauge("problem", "1 while the last turn came to nothing or the books differ")
        self.undelivered_notices = self._gauge("notices_dead", "Notices given up within a week", "to")
        self.strangers = self._gauge("telegram_strangers", "Messages of senders who are not allowed")
        self.refreshed_at = self._gauge("refreshed_timestamp_seconds", "When these figures were last taken")


def only(gauge: Gauge, values: Mapping[str, float]) -> None:
    """Set a gauge with one label to these values, and drop every other value of the label."""
    for metric in gauge.collect():
        for sample in metric.samples:
            label = next(iter(sample.labels.values()))
            if label not in values:
                gauge.remove(label)
    for label, value in values.items():
        gauge.labels(label).set(value)
