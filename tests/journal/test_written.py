"""How turns are written, and read again: by this version and by those before it."""

import json
import math
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.campaign import Campaign, Condition, Memory, Phase, Stance
from bot.domain.codec import encode
from bot.domain.market import Snapshot
from bot.domain.money import ZERO
from bot.domain.portfolio import Account
from bot.domain.states import CampaignState, KillLevel
from bot.domain.turn.decision import Decision, Signal, Verdict
from bot.domain.turn.inputs import TurnInputs
from bot.journal.journal import Journal, JournalReader
from bot.journal.record import CycleRecord, payload_of, record_in
from bot.journal.schema import canonical
from tests.execution.scripted_venue import START_MS
from tests.execution.worlds import ACCOUNT


def campaign_of(number: int) -> Campaign:
    return Campaign(
        number,
        Stance.NEUTRAL,
        Stance.INTO_DEFI,
        "infra",
        "defi",
        CampaignState.RUNNING,
        START_MS,
        Decimal(100),
        Decimal("0.2"),
        {"defi.spot": Decimal(1), "a": Decimal("1.0")},
    )


def record_of(before: Campaign | None, after: Campaign | None) -> CycleRecord:
    inputs = TurnInputs(
        "cycle",
        KillLevel.OFF,
        False,
        Snapshot(START_MS, {}, {}),
        Account(START_MS, "USDT", {}, ZERO, ZERO, {}),
        Memory(campaign=before, campaigns=3),
        (),
    )
    decision = Decision(
        START_MS,
        (Signal("trend", 0.1, 1e-05, "é", 0),),
        Condition.NEUTRAL,
        ZERO,
        {"defi": Phase.LEADING},
        Stance.NEUTRAL,
        {"cash": Decimal("1.0")},
        (),
        (),
        (),
        Memory(campaign=after, equity_peak=Decimal("2.50")),
    )
    return CycleRecord(1, inputs, decision, (Verdict("1.1.1", True, Decimal("0.10")),), "abc")


ONE = campaign_of(1)
SCALED = replace(ONE, book=Decimal("100.0"))  # equal as a value, another text


@pytest.mark.parametrize(
    ("before", "after", "count"),
    [(ONE, ONE, 1), (ONE, campaign_of(2), 2), (ONE, SCALED, 2), (None, ONE, 1), (ONE, None, 1), (None, None, 0)],
)
def test_a_campaign_is_written_once_unless_the_turn_changes_it(
    before: Campaign | None, after: Campaign | None, count: int
) -> None:
    record = record_of(before, after)
    text = canonical(payload_of(record, "digest"))
    assert text.count('"stance_to"') == count
    again = record_in(json.loads(text), encode(record.snapshot))
    assert again == record
    assert canonical(encode(again)) == canonical(encode(record))


def test_a_record_of_an_older_version_is_read_into_the_same_types() -> None:
    """Its memory and decision held the rotation each, the decision twice; the oldest had no inputs of the gate."""
    record = record_of(ONE, ONE)
    inputs, decision = encode(record.inputs), encode(record.decision)
    older = {
        "number": 1,
        "kind": "cycle",
        "at_ms": START_MS,
        "config_digest": "abc",
        "snapshot": "digest",
        "account": inputs["account"],
        "memory_before": inputs["memory"],
        "working": inputs["working"],
        "decision": decision | {"campaign": decision["memory"]["campaign"]},
        "verdicts": [{"intent": "1.1.1", "approved": True, "size": "0.10"}],
        "gate": {},
    }
    assert record_in(older, inputs["snapshot"]) == record
    risk = {
        "now_ms": 1,
        "kill": "pause",
        "is_reconciled": True,
        "locked": [],
        "clock_skew_ms": 0,
        "turnover_today_quote": "1",
        "orders_last_minute": 0,
        "recent_fills": 0,
        "is_canary": True,
    }
    later = record_in(older | {"gate": risk}, inputs["snapshot"]).inputs
    assert (later.kill, later.is_canary, later.books.risk.turnover_today_quote) == (KillLevel.PAUSE, True, 1)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_signal_that_is_not_a_number_is_refused(value: float) -> None:
    """JSON has no text for it: the record could be written and never read."""
    record = record_of(None, None)
    signal = replace(record.decision.signals[0], value=value)
    with pytest.raises(ValueError, match="signal trend is not a number"):
        payload_of(replace(record, decision=replace(record.decision, signals=(signal,))), "digest")


async def test_a_memory_whose_campaign_stays_is_read_as_one_that_is_read_first(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "j.db", account=ACCOUNT, now_ms=lambda: START_MS, threaded=False)
    one = campaign_of(1)
    memories = [
        Memory(campaign=one),
        Memory(campaign=one, equity_peak=Decimal(2)),
        Memory(equity_peak=Decimal(2)),
        Memory(campaign=one),
        Memory(campaign=replace(one, number=2)),
        Memory(campaign=replace(one, number=2, book=Decimal("100.0"))),
    ]
    for memory in memories:
        await journal.record_memory(memory)
        alone = JournalReader(tmp_path / "j.db")
        assert (
            encode(journal.reader.load_memory())
            == encode(alone.load_memory())
            == json.loads(json.dumps(encode(memory)))
        )
        alone.close()
    await journal.close()
