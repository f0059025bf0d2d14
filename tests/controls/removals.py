"""How each control is taken out, by its row in `docs/controls.md`.

A removal replaces the body of a function by a permissive one (`Body`), takes a check out of the table that runs it
(`Unlisted`), gives a constant another value (`Constant`), or changes a line of text (`Text`). Checks of the gate need
no entry here: each `check_*` that a row names is made to pass everything, and is taken out of the table that lists it.

A control that moves to another function needs its entry moved along; `test_removals.py` says which.
"""

from collections.abc import Mapping
from dataclasses import dataclass

GATE = "bot.risk.gate:CHECKS"
# Rows that name no control of ours, and why not; their reasons are in the page.
WITHOUT_CONTROL = {
    44: "there is no API",
}


@dataclass(frozen=True)
class Body:
    """The function at `place` (module:name, module:Class.method) does `source` instead of what it does; with
    `keeps` it does `source` first."""

    place: str
    source: str
    keeps: bool = False


@dataclass(frozen=True)
class Unlisted:
    """The tuple at `place` is without its item that mentions `name`."""

    place: str
    name: str


@dataclass(frozen=True)
class Constant:
    """The constant at `place` has the value `source`."""

    place: str
    source: str


@dataclass(frozen=True)
class Text:
    """The file at `place` has `new` for the pattern `old` (a regular expression that matches once or more)."""

    place: str
    old: str
    new: str


Removal = Body | Unlisted | Constant | Text
SEND_FIRST = Body(
    "bot.execution.placement:Placement._write_send_write",
    "await self._venue.submit_order(_request(order))",
    keeps=True,
)

REMOVALS: Mapping[int, tuple[Removal, ...]] = {
    6: (Body("bot.risk.projection:project", "return _Tally(snapshot, portfolio).exposure()"),),
    8: (Body("bot.playbook.positions.hedge:over_spot", "return ()"),),
    9: (Body("bot.playbook.positions.hedge:near_liquidation", "return (), {}, ()"),),
    10: (Body("bot.playbook.positions.exits:_watch", "return held, None"),),
    11: (Body("bot.runtime.daemon:Daemon._check_clock_if_due", "return"),),
    12: (
        Body(
            "bot.journal.journal:Journal._write_submitting",
            'self._event(db, "order_submitting", {"order": encode(order)})',
        ),
    ),
    13: (Body("bot.runtime.daemon:Daemon._report_breakers", "return"),),
    14: (
        Body("bot.venues.ccxt.throttle:Gate.admit", "return"),
        Body("bot.venues.ccxt.throttle:Gate.admit", "lane = Lane.BULK", keeps=True),
    ),
    15: (
        Body(
            "bot.execution.executor:Executor._carry_out",
            "import collections\nself._by_symbol = collections.defaultdict(asyncio.Lock)",
            keeps=True,
        ),
    ),
    17: (
        Body("bot.playbook.rotation.draft:Draft.add", "self.legs.append(replace(leg, index=len(self.legs) + 1))"),
        Body("bot.playbook.positions.hedge:_plans", "sleeve_margin = Decimal(10) ** 9", keeps=True),
    ),
    18: (Body("bot.execution.executor:Executor._new_order", "size = size * 2", keeps=True),),
    20: (
        SEND_FIRST,
        Body(
            "bot.journal.journal:Journal.record_fact",
            "import asyncio\nasyncio.ensure_future(self._append(kind, payload))",
        ),
    ),
    21: (
        Body(
            "bot.domain.order_ids:ClientOrderId.text",
            "import secrets\nreturn ID_PREFIX + account_tag(self.account) + secrets.token_hex(8)[:15]",
        ),
        Body(
            "bot.domain.order_ids:ClientOrderId.text",
            "return ID_PREFIX + account_tag(self.account) + "
            '"".join(_base36(0 if n == "leg" else getattr(self, n), width) for n, width in _ID_WIDTHS.items())',
        ),
    ),
    22: (
        Body("bot.venues.ccxt.wire:_SendOnce.__call__", "return await handler(request)"),
        Body(
            "bot.venues.ccxt.wire:Wire.write",
            "try:\n    return await call()\nexcept Exception:\n    pass",
            keeps=True,
        ),
        Body(
            "bot.execution.placement:Placement._settle_unknown_outcome",
            "await self._venue.submit_order(_request(order))",
            keeps=True,
        ),
    ),
    23: (
        Body("bot.execution.unknown_outcomes:UnknownOutcomes._is_quiet", "return True"),
        Body(
            "bot.execution.unknown_outcomes:UnknownOutcomes._query_order",
            "return await self._evidence.fetch_order(order)",
        ),
        Body("bot.execution.unknown_outcomes:UnknownOutcomes._resolve", "return await self._absent(order)"),
    ),
    24: (
        Body("bot.execution.reconcile:Reconciler._lock_old_unknown_outcomes", "return ()"),
        Body("bot.risk.breakers:old_unknown_outcome", "return None"),
    ),
    25: (
        Body(
            "bot.execution.placement:Placement._after_cancel",
            "order = self._journal.reader.load_order(order.client_id) or order\n"
            "return await self._journal.record_order_event(order.client_id, OrderEvent.CANCELED), ()",
        ),
    ),
    26: (
        Body(
            "bot.journal.journal:Journal._write_fills",
            "for fill in fills:\n"
            "    quote = fill.price * fill.size * sizes.get(fill.symbol, ONE)\n"
            '    self._event(db, "fill", {**encode(fill), "quote": str(quote)})\n'
            "return tuple(fills)",
        ),
    ),
    27: (Body("bot.execution.foreign:ForeignOrders.review", "return Foreign((), (), False)"),),
    28: (Body("bot.execution.reconcile:Reconciler._compare", "return ()"),),
    29: (
        Body("bot.execution.reconcile:Reconciler._lock", 'return Note(Reason.MISMATCH, "", "")'),
        Body("bot.execution.reconcile:Reconciler._unlock", "return"),
    ),
    30: (Body("bot.execution.reconcile:Reconciler.accept", "await self._unlock(frozenset())\nreturn ()"),),
    31: (
        Body("bot.journal.disk.lease:LockFile.acquire", "return"),
        Body("bot.execution.foreign:ForeignOrders.review", "return Foreign((), (), False)"),
    ),
    32: (
        Body(
            "bot.execution.books.ledger:expected_books", "return Books(dict(baseline.amounts), dict(baseline.entries))"
        ),
        Body("bot.execution.foreign:ForeignOrders.explain_fills", "return ()"),
        Body("bot.execution.reconcile:_is_cash", "return False"),
        Body("bot.runtime.cash_flows:count_flows", "return memory"),
    ),
    33: (
        Body("bot.runtime.kill.switch:KillSwitch.is_stopped", "return False"),
        Body("bot.domain.order:Order.is_withdrawn_at", "return True"),
        Body("bot.domain.states:KillLevel.severity", "return 0"),
    ),
    34: (
        Body("bot.runtime.kill.switch:KillSwitch.poll", "self._has_polled = True"),
        Body("bot.risk.breakers:tripped", "return ()"),
        Body("bot.risk.breakers:drawdown", "return None"),
        Body("bot.risk.cooldown:count_drawdown", "return memory"),
        Body("bot.risk.breakers:reject_rate", "return None"),
        Body("bot.risk.breakers:lost_readings", "return None"),
        Body("bot.execution.order_reports:OrderReports.take_latency_ms", "return 0"),
    ),
    35: (
        Body("bot.journal.journal:Journal.record_latch", "return"),
        Body("bot.runtime.kill.resume_file:ResumeFile.load", 'return ResumeRequest("none", "nobody")'),
    ),
    36: (
        Body("bot.runtime.kill.switch:KillSwitch.start", "self.poll()"),
        Body("bot.execution.executor:Executor.send_cancels", "return"),
    ),
    37: (Body("bot.playbook.orders.flatten:_uncovered", "return []"),),
    39: (Constant("bot.risk.case:ENTRIES", "ALL"),),
    40: (
        Body("bot.runtime.settings.snapshot:record_config", "return"),
        Body("bot.runtime.settings.watch:_is_tighter", "return True"),
        Body("bot.runtime.wiring:App.take_tighter_limits", "return"),
        Body("bot.runtime.settings.model:Settings._three_locks", "return self"),
    ),
    41: (
        Body("bot.risk.canary:shrink", "return tuple(intents)"),
        Body("bot.runtime.wiring:is_start_small", "return False"),
    ),
    42: (
        Body("bot.runtime.build_info:started", "return {}"),
        Body("bot.runtime.build_info:code_digest", 'return ""'),
    ),
    43: (
        Body("bot.venues.ccxt.venue:CcxtVenue._check_account", "return"),
        Body("bot.runtime.redaction:Redactor.text", "return text"),
        Body("bot.runtime.redaction:Redactor.__call__", "return event"),
    ),
    45: (
        Body("bot.runtime.health.health_file:Health.write", "return"),
        Body("bot.runtime.health.healthcheck:find_late", "return {}"),
        Body("bot.runtime.health.healthcheck:check", 'return ExitCode.OK, ""'),
    ),
    46: (
        Body("bot.report.views.orders:order_counts", "return {}"),
        Body("bot.report.views.orders:fees", "return {}"),
        Body("bot.report.views.orders:funding", "return {}"),
    ),
    47: (SEND_FIRST,),
    48: (Text("bot/feeds/candle_cache.py", r"if key in keep\b", "if key"),),
    49: (Text("docs/controls.md", r"(?m)^\| 31 \|.*\n", ""),),
    50: (Text("bot/domain/reason.py", r'(?s)(ORDER_IN_DOUBT = "order_in_doubt"\n)    """.*?"""\n', r"\1"),),
    51: (
        Body("bot.execution.unknown_outcomes:StopProofs.ask_if_due", "return False"),
        Body("bot.execution.unknown_outcomes:StopProofs.unproved", "return frozenset()"),
        Text(
            "bot/execution/unknown_outcomes.py",
            r"asyncio\.timeout\(self\._rules\.timing\.stop_proof.*\)",
            "asyncio.timeout(None)",
        ),
    ),
}
