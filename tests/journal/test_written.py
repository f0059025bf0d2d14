"""What is written by a shorter way is what the long one writes, to the last character."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.domain.campaign import Campaign, Memory, Stance
from bot.domain.codec import encode
from bot.domain.states import CampaignState
from bot.journal.journal import Journal, JournalReader
from bot.journal.schema import canonical, text_of
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


def cycle_of(before: Any, after: Any, words: str) -> dict[str, Any]:
    decision = {"notes": [words], "campaign": after.campaign, "memory": after, "at_ms": 1}
    return dict(encode({"number": 1, "memory_before": before, "decision": decision, "é": 0.1}))


@pytest.mark.parametrize("words", ["nothing", "\0campaign", '"\\u0000campaign"'])
def test_a_cycle_with_campaigns_is_written_as_any_payload_is(words: str) -> None:
    one, other = Memory(campaign=campaign_of(1)), Memory(campaign=campaign_of(2))
    for before, after in ((one, one), (one, other), (other, one), (Memory(), one), (one, Memory())):
        payload = cycle_of(before, after, words)
        assert text_of("cycle", payload) == canonical(payload)
        assert text_of("memory", payload["memory_before"]) == canonical(payload["memory_before"])


def test_records_of_older_versions_without_a_campaign_are_written_too() -> None:
    for payload in (
        {"number": 1, "memory_before": {}, "decision": {}},
        {"number": 1, "memory_before": {"campaign": None}, "decision": {"memory": {}, "campaign": None}},
    ):
        assert text_of("cycle", payload) == canonical(payload)
    assert text_of("memory", {"equity_peak": "1"}) == '{"equity_peak":"1"}'


def test_a_campaign_is_written_anew_when_it_is_another_one_of_equal_parts() -> None:
    one = campaign_of(1)
    other = replace(one, book=Decimal("100.0"))
    assert one == other
    assert encode(one) is encode(one)
    assert [encode(found)["book"] for found in (one, other)] == ["100", "100.0"]


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
