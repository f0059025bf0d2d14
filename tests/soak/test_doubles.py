"""Two live orders of one leg are excused only for a stop beside an order that its journal does not know."""

from pathlib import Path

import pytest

from bot.execution.another_writer import ACCEPTED, UNKNOWN_RESTS
from bot.journal.journal import Journal
from tests.execution.scripted_venue import START_MS
from tests.execution.worlds import make_order
from tests.soak import books

pytestmark = pytest.mark.slow

UNKNOWN = "tsb000002001010000000"
STEPS = {"unknown": UNKNOWN_RESTS, "accepted": ACCEPTED}


async def write(path: Path, steps: tuple[str, ...]) -> str:
    """A journal of these steps in turn; the id of the order that it sent."""
    order = make_order()
    journal = await Journal.open(path, account="main", now_ms=lambda: START_MS)
    for step in steps:
        if step == "sent":
            await journal.record_submitting(order)
        else:
            await journal.record_fact(STEPS[step], {"client_id": UNKNOWN})
    await journal.close()
    return order.client_id


@pytest.mark.parametrize(
    ("steps", "is_excused"),
    [
        (("unknown", "sent"), True),
        (("accepted", "unknown", "sent", "accepted"), True),
        (("unknown", "accepted", "sent"), False),
        (("sent", "unknown"), False),
        (("sent",), False),
    ],
)
async def test_a_double_is_excused_beside_an_unknown_order_alone(
    tmp_path: Path, steps: tuple[str, ...], *, is_excused: bool
) -> None:
    path = tmp_path / "j.db"
    sent = await write(path, steps)
    await write(tmp_path / "other.db", ("unknown",))
    verdict = books.Verdict()
    doubles = [{"leg": "a leg", "live": [UNKNOWN], "second": sent}]
    books._check_doubles(verdict, doubles, (path, tmp_path / "other.db"))
    assert (verdict.mismatches == []) is is_excused
