"""From events of the journal to notices. Pure: the same event gives the same notices, with the same ids."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bot.domain.reason import Reason
from bot.journal.facts import Fact
from bot.runtime.services.notice import Notice, NoticeEvent

NOTICE = "notice"  # what no other event of the journal shows: a dark venue, a mismatch of cash, the daily report
_NOTE_EVENTS = {
    Reason.LIQUIDATION_NEAR.value: NoticeEvent.LIQUIDATION,
    Reason.CONDITION_CHANGED.value: NoticeEvent.CONDITION,
    Reason.CAMPAIGN_DONE.value: NoticeEvent.CAMPAIGN,
}
_CLOSED_BY_VENUE = (Reason.LIQUIDATED.value, Reason.DELEVERAGED.value)
Part = tuple[NoticeEvent, str, str, Mapping[str, str]]  # event, text, subject, fields


def notices_of(fact: Fact) -> tuple[Notice, ...]:
    """The notices of one event of the journal. An event that a later version writes differently gives none."""
    read = _READERS.get(fact.kind)
    try:
        parts = list(read(fact.payload)) if read is not None else []
    except (KeyError, TypeError, AttributeError, ValueError):
        return ()
    return tuple(
        Notice(f"{fact.seq}.{place}", fact.at_ms, event, text, subject, fields)
        for place, (event, text, subject, fields) in enumerate(parts)
    )


def _started(payload: Mapping[str, Any]) -> Iterator[Part]:
    place = f"{payload['mode']} on {payload['venue']} {payload['environment']}"
    text = f"{place}, version {payload['version']}, configuration {payload['config']}"
    yield (NoticeEvent.CRASH if payload.get("after_crash") else NoticeEvent.START), text, "", {}


def _stopped(payload: Mapping[str, Any]) -> Iterator[Part]:
    by = f"by {payload['by']}, " if payload["by"] else ""
    yield NoticeEvent.STOP, f"{by}last turn {payload['cycle'] or 'none'}", "", {}


def _latch(payload: Mapping[str, Any]) -> Iterator[Part]:
    fields = {name: str(payload[name]) for name in ("level", "by", "reason")}
    yield NoticeEvent.SWITCH, f"kill switch {fields['level']}", "", fields


def _breakers(payload: Mapping[str, Any]) -> Iterator[Part]:
    named = list(zip(payload["reasons"], payload["words"], strict=True))
    missing = [text for reason, text in named if reason == Reason.POSITION_UNGUARDED.value]
    others = [text for reason, text in named if reason != Reason.POSITION_UNGUARDED.value]
    if missing:
        yield NoticeEvent.STOP_MISSING, "; ".join(missing), "", {}
    if others:
        yield NoticeEvent.BREAKER, f"entries stop: {'; '.join(others)}", "", {}
    if not named:
        yield NoticeEvent.BREAKER, "entries go on: no breaker any more", "", {}


def _lock(payload: Mapping[str, Any]) -> Iterator[Part]:
    is_doubt = payload["note"]["reason"] == Reason.DOUBT_OLD.value
    event = NoticeEvent.DOUBT if is_doubt else NoticeEvent.MISMATCH
    yield event, f"{payload['note']['words']}; {payload['symbol']} is locked", "", {}


def _unlock(payload: Mapping[str, Any]) -> Iterator[Part]:
    yield NoticeEvent.MISMATCH, f"over: {payload['symbol']} is free again, {payload['reason']}", "", {}


def _another_writer(payload: Mapping[str, Any]) -> Iterator[Part]:
    text = payload.get("words") or f"order {payload['client_id']} of {payload['symbol']} is not in this journal"
    yield NoticeEvent.MISMATCH, f"{text}; another bot may write to this account", "another writer", {}


def _reported_once(payload: Mapping[str, Any]) -> Iterator[Part]:
    if payload["reason"] in _CLOSED_BY_VENUE:
        yield NoticeEvent.LIQUIDATION, str(payload["words"]), "", {}


def _cycle(payload: Mapping[str, Any]) -> Iterator[Part]:
    decision = payload["decision"]
    yield from _finished_tranches(payload)
    for note in decision["notes"]:
        if event := _NOTE_EVENTS.get(note["reason"]):
            subject = f"{note['reason']} {note['subject']}" if event is NoticeEvent.LIQUIDATION else ""
            yield event, str(note["words"]), subject, {}


def _finished_tranches(payload: Mapping[str, Any]) -> Iterator[Part]:
    """Tranches that are done after this turn and were not before it."""
    if payload.get("is_campaign_kept", True):
        return
    before, after = payload["inputs"]["memory"]["campaign"], payload["decision"]["memory"]["campaign"]
    is_same = bool(before and after and before["number"] == after["number"])
    done = {tranche["index"] for tranche in before["tranches"] if tranche["state"] == "done"} if is_same else set()
    for tranche in after["tranches"] if after else ():
        if tranche["state"] == "done" and tranche["index"] not in done:
            text = f"campaign {after['number']}: tranche {tranche['index']} of {len(after['tranches'])} is done"
            yield NoticeEvent.TRANCHE, text, "", {}


def _own(payload: Mapping[str, Any]) -> Iterator[Part]:
    yield NoticeEvent(payload["event"]), str(payload["text"]), str(payload.get("subject", "")), {}


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Part]]] = {
    "started": _started,
    "stopped": _stopped,
    "latch": _latch,
    "breakers": _breakers,
    "lock": _lock,
    "unlock": _unlock,
    "twin_order": _another_writer,
    "twin_rests": _another_writer,
    "another_writer": _another_writer,
    "foreign_order": _reported_once,
    "cycle": _cycle,
    NOTICE: _own,
}
KINDS = tuple(_READERS)
