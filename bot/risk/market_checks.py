"""Checks of the readings a price rests on: ages, clocks, mark against index, and the visible book."""

from collections.abc import Sequence
from decimal import Decimal

from bot.domain.instrument import Side
from bot.domain.market import Book
from bot.domain.money import BPS, ONE, ZERO
from bot.domain.order import Intent, Purpose
from bot.domain.reason import Note, Reason
from bot.risk.case import ENTRIES, NOT_SHRINKING, PERP_ENTRIES, Check, OrderReview, effect_of

_URGENT = (Purpose.EXIT, Purpose.FLATTEN)


def needs_fresh_price(intent: Intent) -> bool:
    """Whether `check_price_age` may refuse it."""
    return intent.purpose not in _URGENT and effect_of(intent) in NOT_SHRINKING


def check_price_age(review: OrderReview) -> Note | None:
    """Quote and book are fresh and not from the future; exits and flattening do not wait for freshness."""
    if review.intent.purpose in _URGENT:
        return None
    readings = [("quote", review.quote.at_ms)]
    book = review.context.snapshot.books.get(review.intent.symbol)
    if book is not None:
        readings.append(("book", book.at_ms))
    for name, at_ms in readings:
        age_ms = review.context.now_ms - at_ms
        if not -review.limits.clock_skew_max_ms <= age_ms <= review.limits.price_age_max_ms:
            return review.refuse(
                Reason.PRICE_STALE,
                f"the {name} is {age_ms} ms old; allowed are {review.limits.price_age_max_ms} ms",
                age_ms=age_ms,
                limit_ms=review.limits.price_age_max_ms,
            )
    return None


def check_balance_age(review: OrderReview) -> Note | None:
    if review.intent.purpose in _URGENT:
        return None
    age_ms = review.context.now_ms - review.context.portfolio.account.at_ms
    if -review.limits.clock_skew_max_ms <= age_ms <= review.limits.balance_age_max_ms:
        return None
    return review.refuse(
        Reason.BALANCE_STALE,
        f"the account reading is {age_ms} ms old; allowed are {review.limits.balance_age_max_ms} ms",
        age_ms=age_ms,
        limit_ms=review.limits.balance_age_max_ms,
    )


def check_clock(review: OrderReview) -> Note | None:
    skew_ms, limit_ms = review.context.clock_skew_ms, review.limits.clock_skew_max_ms
    if abs(skew_ms) <= limit_ms:
        return None
    return review.refuse(
        Reason.CLOCK_SKEW,
        f"our clock is {skew_ms} ms off the venue's; allowed are {limit_ms} ms",
        skew_ms=skew_ms,
        limit_ms=limit_ms,
    )


def check_mark_index(review: OrderReview) -> Note | None:
    quote, limit_bps = review.quote, review.limits.mark_index_apart_max_bps
    if quote.mark is None or quote.index is None:
        return None
    apart_bps = abs(quote.mark / quote.index - ONE) / BPS
    if apart_bps <= limit_bps:
        return None
    return review.refuse(
        Reason.MARK_INDEX_APART,
        f"mark {quote.mark} and index {quote.index} are {apart_bps:.1f} bps apart",
        mark=quote.mark,
        index=quote.index,
        apart_bps=apart_bps,
        limit_bps=limit_bps,
    )


def check_book(review: OrderReview) -> Note | None:
    book = review.context.snapshot.books.get(review.intent.symbol)
    if book is not None and book.side_for(review.intent.side):
        return None
    return review.refuse(Reason.BOOK_EMPTY, "no book is known" if book is None else "nobody quotes the other side")


def check_slippage(review: OrderReview) -> Note | None:
    """Average price of what the book gives inside the worst price, after what the batch takes before, against mid."""
    book, intent = review.context.snapshot.books[review.intent.symbol], review.intent
    average = average_price(book, intent.side, intent.size, intent.worst_price, skip=_taken_before(review))
    if average is None and intent.time_in_force.may_rest:
        return None  # it takes nothing from the book now, and later nothing beyond its worst price
    if average is None:
        return review.refuse(
            Reason.SLIPPAGE, f"nobody quotes inside its worst price {intent.worst_price}", worst=intent.worst_price
        )
    mid = _mid(book) or review.quote.mid
    slippage_bps = (average / mid - ONE) * intent.side.sign / BPS
    if slippage_bps <= review.limits.slippage_max_bps:
        return None
    return review.refuse(
        Reason.SLIPPAGE,
        f"the book would fill it {slippage_bps:.1f} bps from mid; allowed are {review.limits.slippage_max_bps} bps",
        slippage_bps=slippage_bps,
        limit_bps=review.limits.slippage_max_bps,
        average=average,
        mid=mid,
    )


def check_participation(review: OrderReview) -> Note | None:
    book = review.context.snapshot.books[review.intent.symbol]
    depth = sum((size for _, size in book.side_for(review.intent.side)), ZERO)
    part = (review.intent.size + _taken_before(review)) / depth if depth > 0 else Decimal("Infinity")
    if part <= review.limits.participation_max:
        return None
    return review.refuse(
        Reason.PARTICIPATION,
        f"takes {part:.3f} of the visible depth; allowed is {review.limits.participation_max}",
        share=part,
        limit=review.limits.participation_max,
        depth=depth,
    )


def average_price(book: Book, side: Side, size: Decimal, worst: Decimal, *, skip: Decimal = ZERO) -> Decimal | None:
    """Average price of taking up to `size` inside `worst`, the first `skip` being gone; None when nothing is there."""
    taken, paid = ZERO, ZERO
    for price, level in _inside(book.side_for(side), side, worst):
        gone = min(skip, level)
        skip -= gone
        part = min(level - gone, size - taken)
        taken, paid = taken + part, paid + part * price
        if taken >= size:
            break
    return paid / taken if taken > 0 else None


def _inside(levels: Sequence[tuple[Decimal, Decimal]], side: Side, worst: Decimal) -> Sequence[tuple[Decimal, Decimal]]:
    return [(price, size) for price, size in levels if (worst - price) * side.sign >= 0]


def _taken_before(review: OrderReview) -> Decimal:
    intent = review.intent
    return sum((i.size for i in review.approved if i.symbol == intent.symbol and i.side is intent.side), ZERO)


def _mid(book: Book) -> Decimal | None:
    return (book.bids[0][0] + book.asks[0][0]) / 2 if book.bids and book.asks else None


# In order; see `bot.risk.gate.CHECKS`.
CHECKS: tuple[Check, ...] = (
    Check(check_price_age, NOT_SHRINKING),
    Check(check_balance_age, NOT_SHRINKING),
    Check(check_clock, ENTRIES),
    Check(check_mark_index, PERP_ENTRIES),
    Check(check_book, ENTRIES),
    Check(check_slippage, ENTRIES),
    Check(check_participation, ENTRIES),
)
