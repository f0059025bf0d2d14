"""Which events of the journal are reported, and how; what no event shows is observed."""

from typing import Any

import pytest

from bot.journal.facts import Fact
from bot.operate.notify.events import KINDS, notices_of
from bot.operate.notify.message import LINE_MAX, compose
from bot.operate.notify.observed import Observed
from bot.runtime.services.notice import FIELDS, TEMPLATES, Notice, NoticeEvent
from bot.runtime.settings.operate.notify import NotifySettings, NotifyTiming

START = {"mode": "trade", "venue": "binance", "environment": "testnet", "version": "1", "config": "ab12"}
HOUR = 3_600_000
MIDNIGHT = 20_000 * 24 * HOUR


def note(reason: str, words: str = "words", subject: str = "S") -> dict[str, Any]:
    return {"reason": reason, "words": words, "subject": subject, "numbers": {}}


def cycle(*notes: dict[str, Any], before: Any = None, after: Any = None, kept: bool = True) -> dict[str, Any]:
    inputs: dict[str, Any] = {"memory": {} if kept else {"campaign": before}}
    return {
        "inputs": inputs,
        "is_campaign_kept": kept,
        "decision": {"notes": list(notes), "memory": {"campaign": after}},
    }


def campaign(number: int, *states: str) -> dict[str, Any]:
    return {"number": number, "tranches": [{"index": i, "state": s} for i, s in enumerate(states, 1)]}


@pytest.mark.parametrize(
    ("kind", "payload", "expected"),
    [
        ("started", START, [("start", "trade on binance testnet, version 1, configuration ab12")]),
        ("started", START | {"after_crash": True}, [("crash", "trade on binance testnet, version 1")]),
        ("stopped", {"by": "SIGTERM", "cycle": 7}, [("stop", "by SIGTERM, last turn 7")]),
        ("stopped", {"by": "", "cycle": None}, [("stop", "last turn none")]),
        ("latch", {"level": "cancel", "by": "ann", "reason": "why not"}, [("switch", "kill switch cancel")]),
        ("breakers", {"reasons": ["drawdown"], "words": ["fell"]}, [("breaker", "entries stop: fell")]),
        ("breakers", {"reasons": [], "words": []}, [("breaker", "entries go on")]),
        (
            "breakers",
            {"reasons": ["position_unguarded", "daily_loss"], "words": ["no stop", "lost"]},
            [("stop_missing", "no stop"), ("breaker", "entries stop: lost")],
        ),
        ("lock", {"symbol": "X", "note": note("position_mismatch")}, [("mismatch", "words; X is locked")]),
        ("lock", {"symbol": "X", "note": note("doubt_old")}, [("doubt", "words; X is locked")]),
        ("unlock", {"symbol": "X", "reason": "agree"}, [("mismatch", "over: X is free again, agree")]),
        ("twin_order", {"client_id": "a", "symbol": "X"}, [("mismatch", "order a of X is not in this journal")]),
        ("another_writer", {"client_id": "a", "symbol": "X", "words": "two"}, [("mismatch", "two; another bot")]),
        ("foreign_order", {"reason": "liquidated", "words": "closed"}, [("liquidation", "closed")]),
        ("foreign_order", {"reason": "foreign_order", "words": "another's"}, []),
        ("cycle", cycle(note("liquidation_near", "too near")), [("liquidation", "too near")]),
        ("cycle", cycle(note("condition_changed", "now up"), note("dwell")), [("condition", "now up")]),
        ("cycle", cycle(note("campaign_done", "there")), [("campaign", "there")]),
        (
            "cycle",
            cycle(before=campaign(3, "running", "pending"), after=campaign(3, "done", "pending"), kept=False),
            [("tranche", "campaign 3: tranche 1 of 2 is done")],
        ),
        ("cycle", cycle(before=campaign(3, "done", "running"), after=campaign(3, "done", "running"), kept=False), []),
        ("cycle", cycle(before=campaign(3, "done"), after=campaign(4, "pending"), kept=False), []),
        ("cycle", cycle(before=campaign(3, "running"), after=None, kept=False), []),
        ("notice", {"event": "venue_dark", "text": "dark"}, [("venue_dark", "dark")]),
        ("notice", {"event": "of a later version", "text": "x"}, []),
        ("breakers", {"another": "form"}, []),
        ("fill", {}, []),
    ],
)
def test_events_give_notices(kind: str, payload: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    notices = notices_of(Fact(9, 5, kind, payload))
    assert [(n.event.value, n.text[: len(text)]) for n, (_, text) in zip(notices, expected, strict=True)] == expected
    assert [n.id for n in notices] == [f"9.{place}" for place in range(len(expected))]


def test_every_event_has_a_source_and_a_template_that_can_be_filled() -> None:
    assert set(TEMPLATES) == set(NoticeEvent) == set(FIELDS)
    switch = {"level": "cancel", "by": "ann", "reason": "no margin {left}"}
    notices = [Notice(f"{n}.0", 0, e, f"text-{e.value}", "", switch) for n, e in enumerate(NoticeEvent, 1)]
    lines = compose(notices, NotifySettings(), "bot").body.splitlines()
    assert len(lines) == len(NoticeEvent)
    assert "kill switch cancel, by ann: no margin {left} [4.0]" in lines
    assert all(line.endswith("]") for line in lines)
    assert {"started", "stopped", "latch", "breakers", "lock", "cycle", "notice"} <= set(KINDS)


def test_a_template_of_the_operator_is_used_and_a_long_text_is_cut() -> None:
    settings = NotifySettings(templates={NoticeEvent.START: "{bot}|{event}|{time}|{text}"}, time_zone="Asia/Tokyo")
    body = compose([Notice("3.0", MIDNIGHT, NoticeEvent.START, "x" * 9_000)], settings, "mine").body
    assert body.startswith("mine|start|2024-10-04 09:00 JST|xxx")
    assert len(body) == LINE_MAX + len(" [3.0]")


def observed(**changes: Any) -> Observed:
    return Observed(NotifySettings(timing=NotifyTiming(unreachable_seconds=60), **changes), "binance", 0)


def test_a_venue_that_stays_dark_is_reported_once_and_so_is_its_return() -> None:
    watch, said = observed(), []
    for at_ms, problem in [
        (0, ""),
        (1_000, "timeout"),
        (50_000, "reset"),
        (61_000, "reset"),
        (90_000, "reset"),
        (95_000, ""),
    ]:
        said += [(at_ms, p["event"], p["text"]) for p in watch.update(problem, has_locks=False, now_ms=at_ms)]
    assert [(at_ms, event) for at_ms, event, _ in said] == [(61_000, "venue_dark"), (95_000, "venue_dark")]
    assert "not answered for 60 s" in said[0][2]
    assert said[1][2] == "binance answers again"


def test_a_venue_that_stays_dark_is_reported_where_the_clock_is_set_back() -> None:
    watch, day_ms = observed(), 86_400_000
    assert not [*watch.update("timeout", has_locks=False, now_ms=day_ms + 1_000)]
    assert not [*watch.update("timeout", has_locks=False, now_ms=2_000)]
    (reported,) = watch.update("timeout", has_locks=False, now_ms=62_000)
    assert reported["event"] == "venue_dark"


def test_a_short_outage_is_no_notice() -> None:
    watch = observed()
    assert [
        *watch.update("timeout", has_locks=False, now_ms=1),
        *watch.update("", has_locks=False, now_ms=30_000),
    ] == []


@pytest.mark.parametrize("has_locks", [True, False])
def test_a_lasting_mismatch_is_reported_unless_a_lock_has_said_so(has_locks: bool) -> None:
    watch = observed()
    said = [p for at in (0, 61_000, 99_000) for p in watch.update("mismatch", has_locks=has_locks, now_ms=at)]
    said += watch.update("", has_locks=False, now_ms=120_000)
    assert [p["event"] for p in said] == ([] if has_locks else ["mismatch", "mismatch"])


def test_the_daily_report_is_due_once_a_day_at_its_local_time() -> None:
    watch, due = observed(report_at="07:00", time_zone="Asia/Tokyo"), []  # 22:00 UTC
    watch.reported_ms = MIDNIGHT
    for hour in range(72):
        now = MIDNIGHT + hour * HOUR
        if watch.is_report_due(now):
            watch.report("text", now)
            due.append(hour)
    assert due == [22, 46, 70]


def test_a_report_that_is_much_too_late_is_left_out() -> None:
    watch = observed(report_at="07:00")
    assert watch.is_report_due(MIDNIGHT + 12 * HOUR)
    assert not watch.is_report_due(MIDNIGHT + 14 * HOUR)
    assert not observed(report_at="").is_report_due(MIDNIGHT + 8 * HOUR)
