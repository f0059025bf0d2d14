"""The document of the page Now: what is owned, what it is worth, how far each position is from stop and liquidation,
and what the bot waits for."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bot.domain.campaign import Campaign, Memory
from bot.domain.money import ZERO, plain, share
from bot.domain.order import Order
from bot.domain.reason import Reason
from bot.domain.states import KillLevel, TrancheState, highest
from bot.journal.record import CycleRecord
from bot.report import queries
from bot.report.queries import JournalView
from bot.runtime.health.healthcheck import find_late

Document = dict[str, Any]
_WAITING = (Reason.CONDITION_HELD, Reason.CAMPAIGN_STARTED, Reason.CONFIDENCE_LOW, Reason.DWELL)


def now_document(view: JournalView) -> Document:
    """Everything the page Now shows. `holds` is None before the first turn."""
    status, _ = queries.status(view)
    document: Document = {"status": status, "health": health_document(view), "holds": None, "waits": []}
    record = queries.last_kept(view.reader)
    if record is None:
        return document
    holds = queries.positions(view)
    memory = view.reader.load_memory()
    stops = _stops(view.reader.load_working(), memory)
    for row in holds["positions"]:
        row |= _distance_to(stops.get(row["symbol"]), Decimal(row["mark"]))
    return document | {
        "holds": holds,
        "today_quote": _today(status, memory),
        "open_quote": _open_profit(holds),
        "waits": waiting_rows(view, record),
    }


def health_document(view: JournalView) -> Document:
    """Whether the daemon lives, and each of its parts with its age."""
    health = view.health
    if health is None:
        return {"is_running": False, "is_named": view.is_named, "late": {}, "parts": [], "problem": ""}
    late = find_late(health, view.now_ms)
    parts = health.get("parts")
    rows = [
        {"name": name, "age_ms": max(0, view.now_ms - int(part["at_ms"])), "limit_ms": int(part["late_after_ms"])}
        for name, part in (parts if isinstance(parts, Mapping) else {}).items()
    ]
    return {
        "is_running": True,
        "is_named": view.is_named,
        "pid": health["pid"],
        "age_ms": max(0, view.now_ms - health["at_ms"]),
        "late": late,
        "parts": rows,
        "problem": str(health.get("problem") or ""),
    }


def control_document(view: JournalView) -> Document:
    """What somebody who acts should know first: the switch, whether anybody listens, what rests and what is held."""
    latch, working = view.reader.load_latch(), view.reader.load_working()
    said = str((view.health or {}).get("kill", "off"))
    level = highest(latch.level, KillLevel(said) if said in set(KillLevel) else KillLevel.OFF)
    record = queries.last_kept(view.reader)
    shown = {
        "kill_switch": level.value,
        "kill_reason": latch.reason if latch.level is level else "",
        "kill_by": latch.by if latch.level is level else "",
        "is_running": view.health is not None,
        "is_named": view.is_named,
        "pid": (view.health or {}).get("pid"),
        "working": len(working),
        "stops": sum(order.trigger_price is not None for order in working),
        "positions": len(record.account.positions) if record is not None else 0,
    }
    return {"d": shown, "now_ms": view.now_ms}


def waiting_rows(view: JournalView, record: CycleRecord) -> list[Document]:
    """What the bot waits for, each as `text` and `until_ms` (None where no time ends it)."""
    memory, rows = record.decision.memory, []
    latch = view.reader.load_latch()
    if latch.level.severity:
        rows.append(_wait(f"kill switch {latch.level.value}: an operator has to resume"))
    campaign = memory.campaign
    if campaign is not None and not campaign.is_over:
        rows.append(_campaign_wait(campaign))
    if memory.drawdown_since_ms:
        rows.append(_wait("entries wait for the end of the drawdown's cool-down"))
    rows += [_wait(note.words) for note in record.decision.notes if note.reason in _WAITING][:3]
    refused = [verdict.note for verdict in record.verdicts if not verdict.approved and verdict.note is not None]
    if refused:
        reasons = ", ".join(sorted({note.reason.value for note in refused}))
        rows.append(_wait(f"the risk gate refused {len(refused)} orders of the last turn: {reasons}"))
    if view.health is not None:
        rows.append(_wait("the next cycle", _next_cycle_ms(view)))
    return rows


def _next_cycle_ms(view: JournalView) -> int | None:
    heads = view.reader.load_cycle_heads(100)
    last = next((head.at_ms for head in heads if head.kind == "cycle"), None)
    return None if last is None else last + round(view.settings.cadence.cycle_seconds * 1000)


def _campaign_wait(campaign: Campaign) -> Document:
    tranche = campaign.current
    what = f"rotation {campaign.number}, {campaign.stance_from.value} to {campaign.stance_to.value}"
    if tranche is None:
        return _wait(f"{what}: its end")
    place = f"tranche {tranche.index} of {len(campaign.tranches)}"
    if tranche.state is TrancheState.WAITING:
        return _wait(f"{what}: {place} begins", tranche.begins_ms)
    return _wait(f"{what}: {place} is {tranche.state.value}")


def _wait(text: str, until_ms: int | None = None) -> Document:
    return {"text": text, "until_ms": until_ms}


def _stops(working: tuple[Order, ...], memory: Memory) -> dict[str, Decimal]:
    """The stop of each position: the one that rests at the venue, else the one of its exit plan."""
    planned = {held.symbol: held.plan.stop_price for held in memory.exits}
    return planned | {order.symbol: order.trigger_price for order in working if order.trigger_price is not None}


def _distance_to(stop: Decimal | None, mark: Decimal) -> Document:
    if stop is None or mark <= 0:
        return {"stop": None, "stop_distance": None}
    return {"stop": plain(stop), "stop_distance": plain(round(abs(mark - stop) / mark, 6))}


def _today(status: Mapping[str, Any], memory: Memory) -> Document | None:
    """Change of equity since 00:00 UTC; None while the equity is not known."""
    if status["equity_quote"] is None or memory.day_start_equity <= 0:
        return None
    change = Decimal(status["equity_quote"]) - memory.day_start_equity
    return {"quote": plain(change), "share": plain(round(share(change, memory.day_start_equity), 6))}


def _open_profit(holds: Mapping[str, Any]) -> str:
    return plain(sum((Decimal(row["unrealised_pnl_quote"]) for row in holds["positions"]), ZERO))
