"""Entries are cut to what the book can take, and then pass the check that would have refused them."""

from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.instrument import Side
from bot.domain.market import Snapshot
from bot.domain.order import Purpose
from bot.domain.reason import Reason
from bot.risk import Limits, Refused, fit_to_depth, review
from tests.risk.worlds import D, book, buy, context, hedge, price_of, release, sell, snapshot, tactical

LIMITS = Limits()
WANTED = (hedge(5_000), sell(7_500), buy(9_000), buy(4_000), tactical(8_000), release(2_000))


def thin(depth: Decimal) -> Snapshot:
    seen = snapshot()
    return snapshot(books={symbol: book(symbol, price_of(symbol), depth) for symbol in seen.books})


def refusals(depth: Decimal, *, fitted: bool) -> set[Reason]:
    seen = thin(depth)
    intents = fit_to_depth(WANTED, seen, LIMITS) if fitted else WANTED
    verdicts = review(intents, context(snapshot=seen), LIMITS)
    return {verdict.note.reason for verdict in verdicts if isinstance(verdict, Refused)}


def test_what_was_too_much_for_a_thin_book_is_cut_instead_of_refused() -> None:
    assert Reason.PARTICIPATION in refusals(D(20_000), fitted=False)
    assert Reason.PARTICIPATION not in refusals(D(20_000), fitted=True)


@given(depth=st.decimals(500, 1_000_000, places=2))
def test_entries_of_one_side_together_stay_within_the_share_and_what_reduces_is_left_alone(depth: Decimal) -> None:
    seen = thin(depth)
    fitted = fit_to_depth(WANTED, seen, LIMITS)
    assert [intent.id for intent in fitted] == [intent.id for intent in WANTED]
    for old, new in zip(WANTED, fitted, strict=True):
        assert 0 < new.size <= old.size
        assert (new == old) or new.margin_quote >= old.margin_quote * new.size / old.size
        if old.reduce_only or (old.side is Side.SELL and ":" not in old.symbol):
            assert new == old
    bought = [new for old, new in zip(WANTED, fitted, strict=True) if old.symbol == "UNI/USDT" and new != old]
    room = sum((size for _, size in seen.books["UNI/USDT"].asks), D(0)) * LIMITS.participation_max
    assert sum((intent.size for intent in bought), D(0)) <= room


def test_an_order_that_would_fall_below_the_minimum_stays_and_is_refused_with_the_reason() -> None:
    seen = thin(D(20))
    (left,) = fit_to_depth([buy(1_000)], seen, LIMITS)
    assert left.size == buy(1_000).size
    (verdict,) = review([left], context(snapshot=seen), LIMITS)
    assert isinstance(verdict, Refused)
    assert verdict.note.reason is Reason.PARTICIPATION


def test_the_words_say_what_was_cut_and_what_fits_exactly_stays_as_it_is() -> None:
    seen = thin(D(20_000))
    room = sum((size for _, size in seen.books["UNI/USDT"].asks), D(0)) * LIMITS.participation_max
    (cut,) = fit_to_depth([buy(9_000, words="buy UNI")], seen, LIMITS)
    assert (cut.size, cut.words) == (room, "buy UNI (at most 10% of the visible depth)")
    exact = buy(words="buy UNI", size=room)
    assert fit_to_depth([exact], seen, LIMITS) == (exact,)


def test_each_side_of_the_book_has_its_own_depth_and_every_entry_before_counts() -> None:
    seen = thin(D(20_000))
    uni = seen.books["UNI/USDT"]
    lopsided = replace(uni, bids=tuple((price, size * 50) for price, size in uni.bids))
    seen = replace(seen, books={**seen.books, "UNI/USDT": lopsided})
    room = sum((size for _, size in lopsided.asks), D(0)) * LIMITS.participation_max
    part = (room / 3).quantize(D("0.001"), rounding=ROUND_FLOOR)
    wishes = [replace(buy(id=str(number)), size=part) for number in range(3)]
    fitted = fit_to_depth([*wishes, replace(buy(id="last"), size=part)], seen, LIMITS)
    assert [intent.size for intent in fitted[:3]] == [part] * 3
    assert fitted[3].size == part, "nothing is left, so it stays as it is and the gate refuses it"
    fitted = fit_to_depth([*wishes[:2], replace(buy(id="last"), size=2 * part)], seen, LIMITS)
    assert fitted[2].size == room - 2 * part


def test_what_is_left_must_be_tradable_at_the_valuation_and_at_the_worst_price() -> None:
    seen = thin(D(45))  # a tenth of it is worth 4.50 at the valuation, and the minimum is 5
    far = buy(1_000, worst_price=D(20))
    assert fit_to_depth([far], seen, LIMITS) == (far,)
    low = sell(1_000, purpose=Purpose.HEDGE, symbol="UNI/USDT:USDT", worst_price=D(5))
    assert fit_to_depth([low], thin(D(90)), LIMITS) == (low,), "worth 9 now, 4.50 at its worst price"
    unpriced = replace(seen, quotes={})
    assert fit_to_depth([far], unpriced, LIMITS)[0].size < far.size, "without a valuation the worst price stands in"


def test_without_a_book_nothing_is_known_and_nothing_is_cut() -> None:
    seen = thin(D(20_000))
    wish = buy(9_000)
    for blind in (replace(seen, books={}), replace(seen, instruments={})):
        assert fit_to_depth([wish], blind, LIMITS) == (wish,)
