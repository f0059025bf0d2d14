"""When the tokens at the exchange are what the journal explains at the end, on journals that are only described."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from bot.execution.books.agreed import BASELINE
from bot.journal.facts import Fact
from tests.sim.ending import _check_spot

ORIGIN_MS = 1


def judged(*held: str, has: str) -> list[str]:
    """What is found where the books begun with the first amount of AVAX, and afresh with each further one."""
    found: list[str] = []
    facts = [
        Fact(seq, seq, BASELINE, {"amounts": {"spot:AVAX": amount}, "origin_ms": ORIGIN_MS})
        for seq, amount in enumerate(held, 1)
    ]
    reader = SimpleNamespace(
        load_facts=lambda kind, limit: tuple(reversed(facts)) if kind == BASELINE else (),
        load_facts_after=lambda kind, seq: tuple(one for one in facts if one.seq > seq) if kind == BASELINE else (),
        load_fills=lambda limit: (),
    )
    world: Any = SimpleNamespace(
        exchange=SimpleNamespace(
            balances=lambda account: {"AVAX": SimpleNamespace(total=Decimal(has))}, is_listed=lambda symbol: True
        ),
        is_strange=set(),
        violate=lambda rule, words: found.append(rule),
    )
    life: Any = SimpleNamespace(app=SimpleNamespace(journal=SimpleNamespace(reader=reader)))
    _check_spot(world, life)
    return found


@pytest.mark.parametrize(
    ("held", "has", "is_found"),
    [
        pytest.param(["40"], "40.004", False, id="rounding"),
        pytest.param(["40"], "40.0114", True, id="more than rounding"),
        pytest.param(["40", "733"], "40.0114", False, id="rounding of what was held when the books began afresh"),
        pytest.param(["40", "733"], "40.0774", True, id="more than that"),
        pytest.param(["40", "40", "40"], "40.0114", False, id="a little each time"),
        pytest.param(["40", "40", "40"], "40.0124", True, id="more than a little each time"),
        pytest.param(["40", "733"], "39.92", True, id="missing"),
    ],
)
def test_rounding_ends_where_the_books_begin_afresh(held: list[str], has: str, is_found: bool) -> None:
    """Found: heavy seed 1470585. A fee of 0.01144 passed for rounding beside 733, the books began afresh, and at the
    end 38 were held."""
    assert judged(*held, has=has) == ["tokens add up"] * is_found
