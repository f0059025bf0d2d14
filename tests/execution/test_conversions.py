"""A token that the exchange turns into another: one fact with a reason, not two differences that lock."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.money import ZERO
from bot.domain.reason import Reason
from bot.domain.symbol import SymbolSuccession
from bot.execution.books.ledger import (
    Baseline,
    Difference,
    conversion_moves,
    conversions_in,
    differences,
    expected_books,
)
from bot.execution.reconcile import Reconciler
from tests.execution.scripted_venue import ScriptedVenue
from tests.execution.worlds import FAST, SYMBOLS, World, open_world

D = Decimal
NEW = "SKY/USDT"
RULE = SymbolSuccession("MKR", "SKY", D(24_000))
WHOLE = D(576_000)
AFTER = (*SYMBOLS, NEW)


@pytest.fixture
async def world(tmp_path: Path) -> Any:
    """24 MKR that the bot has bought, in a wallet that the books agree with."""
    venue = ScriptedVenue()
    venue.balances["MKR"] = D(24)
    made = await open_world(tmp_path / "j.db", venue)
    made = replace(made, reconciler=Reconciler(venue, made.journal, FAST, successions=(RULE,)))
    assert (await made.reconciler.settle((*SYMBOLS, "MKR/USDT", NEW))).is_agreed
    yield made
    made.journal.reader.verify()
    await made.journal.close()


def convert(world: World, *, given: Decimal = WHOLE) -> None:
    world.venue.balances.pop("MKR")
    world.venue.balances["SKY"] = world.venue.balances.get("SKY", ZERO) + given


async def test_a_conversion_is_one_fact_with_a_reason_and_locks_nothing(world: World) -> None:
    convert(world)
    truth = await world.reconciler.settle(AFTER)
    assert (truth.is_agreed, truth.locked) == (True, frozenset())
    (note,) = [note for note in truth.notes if note.reason is Reason.TOKEN_RENAMED]
    assert note.words == "the exchange made 576000 SKY of 24 MKR"
    (fact,) = world.journal.reader.load_facts("conversion")
    assert fact.payload == {
        "was": "MKR",
        "becomes": "SKY",
        "taken": "24",
        "given": "576000",
        "by": "bot",
        "reason": note.words,
    }
    assert not world.journal.reader.load_facts("adjustment")
    again = await world.reconciler.settle(AFTER)
    assert (again.is_agreed, again.notes) == (True, ())


async def test_books_opened_anew_still_know_the_conversion(world: World) -> None:
    convert(world)
    await world.reconciler.settle(AFTER)
    fresh = Reconciler(world.venue, world.journal, FAST, successions=(RULE,))
    world.venue.advance(2 * 86_400_000)  # the baseline is written afresh on the way
    for _ in range(2):
        truth = await fresh.settle(AFTER)
        assert (truth.is_agreed, truth.notes) == (True, ())
    assert len(world.journal.reader.load_facts("conversion")) == 1


@pytest.mark.parametrize("given", [D(570_240), D(575_000), D(600_000)])
async def test_what_does_not_fit_the_ratio_locks_until_someone_signs(world: World, given: Decimal) -> None:
    convert(world, given=given)
    truth = await world.reconciler.settle(AFTER)
    assert not truth.is_agreed
    assert NEW in truth.locked
    assert not world.journal.reader.load_facts("conversion")
    await world.reconciler.accept(by="ann", reason="a fee for late conversion")
    assert (await world.reconciler.settle(AFTER)).is_agreed


async def test_half_a_conversion_waits_for_the_other_half_and_says_so(world: World) -> None:
    world.venue.balances.pop("MKR")
    truth = await world.reconciler.settle(AFTER)
    assert not truth.is_agreed
    assert any("if the exchange is converting, 576000 SKY come" in note.words for note in truth.notes)
    world.venue.balances["SKY"] = D(576_000)
    truth = await world.reconciler.settle(AFTER)
    assert (truth.is_agreed, truth.locked) == (True, frozenset())


async def test_new_tokens_beside_the_old_ones_are_not_believed(world: World) -> None:
    world.venue.balances["SKY"] = D(576_000)
    truth = await world.reconciler.settle(AFTER)
    assert not truth.is_agreed
    assert any("if the exchange is converting, 24 MKR go" in note.words for note in truth.notes)


async def test_an_old_balance_that_the_bot_never_traded_is_watched_as_well(tmp_path: Path) -> None:
    venue = ScriptedVenue()
    venue.balances["MKR"] = D(2)
    made = await open_world(tmp_path / "j.db", venue)
    reconciler = Reconciler(venue, made.journal, FAST, successions=(RULE,))
    await reconciler.settle(AFTER)
    convert(made, given=D(48_000))
    truth = await reconciler.settle(AFTER)
    assert truth.is_agreed
    assert len(made.journal.reader.load_facts("conversion")) == 1
    await made.journal.close()


async def test_a_new_unit_of_the_same_token_is_a_conversion_too(tmp_path: Path) -> None:
    venue = ScriptedVenue()
    made = await open_world(tmp_path / "j.db", venue)
    reconciler = Reconciler(venue, made.journal, FAST, successions=(SymbolSuccession("UNI", "UNI", D(1000)),))
    await reconciler.settle(SYMBOLS)
    venue.balances["UNI"] *= 1000
    truth = await reconciler.settle(SYMBOLS)
    assert truth.is_agreed
    (fact,) = made.journal.reader.load_facts("conversion")
    assert (fact.payload["taken"], fact.payload["given"]) == ("100", "100000")
    await made.journal.close()


SIZES = st.decimals(min_value=D("0.001"), max_value=D("100000"), places=8)


@given(held=SIZES, kept=SIZES, new=SIZES, ratio=st.sampled_from([D(1), D(1000), D(24_000), D("0.01")]))
def test_whatever_part_is_converted_the_books_end_at_the_account_to_the_last_digit(
    held: Decimal, kept: Decimal, new: Decimal, ratio: Decimal
) -> None:
    taken = max(ZERO, held - kept) or held
    rule = SymbolSuccession("MKR", "SKY", ratio)
    baseline = Baseline({"spot:MKR": held, "spot:SKY": new}, {}, 0, 0, 0, ("MKR", "SKY"))
    given_ = (taken * ratio).quantize(D("0.00000001"), rounding="ROUND_FLOOR")
    actual = {"spot:MKR": held - taken, "spot:SKY": new + given_}

    def compared(moves: tuple[Any, ...]) -> tuple[Difference, ...]:
        books = expected_books(baseline, (), (), moves, quote="USDT", is_unified=False)
        return differences(books, actual, watched=("MKR", "SKY"), quote="USDT", size_bps=0, cash_bps=0)

    found = compared(())
    if len(found) < 2:  # so little was converted that nothing came of it
        return
    (made,) = conversions_in(found, (rule,), 1)
    assert (made.taken, made.given) == (taken, given_)
    assert compared(conversion_moves(made.payload)) == ()
