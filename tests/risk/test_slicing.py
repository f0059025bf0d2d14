"""Entries are cut to what the book can take, and then pass the check that would have refused them."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.instrument import Side
from bot.domain.market import Snapshot
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
