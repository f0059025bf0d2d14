"""Checks of the readings a price rests on: ages, clocks, mark against index, and the visible book."""

from collections.abc import Sequence
from decimal import Decimal

from bot.domain.instrument import Side
from bot.domain.market import Book
from bot.domain.money import BPS, ONE, ZERO
from bot.domain.order import Purpose
from bot.domain.reason import Note, Reason
from bot.risk.case import OrderReview

_URGENT = (Purpose.EXIT, Purpose.FLATTEN)


def check_price_age(case: OrderReview) -> Note | None:
    """Quote and book are fresh and not from the future; exits and flattening do not wait for freshness."""
    if case.intent.purpose in _URGENT:
        return None
    readings = [("quote", case.quote.at_ms)]
    book = case.context.snapshot.books.get(case.intent.symbol)
    if book is not None:
        readings.append(("book", book.at_ms))
    for name, at_ms in readings:
        age_ms = case.context.now_ms - at_ms
        if not -case.limits.clock_skew_max_ms <= age_ms <= case.limits.price_age_max_ms:
            return case.refuse(
                Reason.PRICE_STALE,
                f"the {name} is {age_ms} ms old; allowed are {case.limits.price_age_max_ms} ms",
                age_ms=age_ms,
                limit_ms=case.limits.price_age_max_ms,
            )
    return None


def check_balance_age(case: OrderReview) -> Note | None:
    if case.intent.purpose in _URGENT:
        return None
    age_ms = case.context.now_ms - case.context.portfolio.account.at_ms
    if -case.limits.clock_skew_max_ms <= age_ms <= case.limits.balance_age_max_ms:
        return None
    return case.refuse(
        Reason.BALANCE_STALE,
        f"the account reading is {age_ms} ms old; allowed are {case.limits.balance_age_max_ms} ms",
        age_ms=age_ms,
        limit_ms=case.limits.balance_age_max_ms,
    )


def check_clock(case: OrderReview) -> Note | None:
    skew_ms, limit_ms = case.context.clock_skew_ms, case.limits.clock_skew_max_ms
    if abs(skew_ms) <= limit_ms:
        return None
    return case.refuse(
        Reason.CLOCK_SKEW,
        f"our clock is {skew_ms} ms off the venue's; allowed are {limit_ms} ms",
        skew_ms=skew_ms,
        limit_ms=limit_ms,
    )


def check_mark_index(case: OrderReview) -> Note | None:
    quote, limit_bps = case.quote, case.limits.mark_index_apart_max_bps
    if quote.mark is None or quote.index is None:
        return None
    apart_bps = abs(quote.mark / quote.index - ONE) / BPS
    if apart_bps <= limit_bps:
        return None
    return case.refuse(
        Reason.MARK_INDEX_APART,
        f"mark {quote.mark} and index {quote.index} are {apart_bps:.1f} bps apart",
        mark=quote.mark,
        index=quote.index,
        apart_bps=apart_bps,
        limit_bps=limit_bps,
    )


def check_book(case: OrderReview) -> Note | None:
    book = case.context.snapshot.books.get(case.intent.symbol)
    if book is not None and book.side_for(case.intent.side):
        return None
    return case.refuse(Reason.BOOK_EMPTY, "no book is known" if book is None else "nobody quotes the other side")


def check_slippage(case: OrderReview) -> Note | None:
    """Average price of what the book gives inside the worst price, after what the batch takes before, against mid."""
    book, intent = case.context.snapshot.books[case.intent.symbol], case.intent
    average = average_price(book, intent.side, intent.size, intent.worst_price, skip=_taken_before(case))
    if average is None and intent.time_in_force.may_rest:
        return None  # it takes nothing from the book now, and later nothing beyond its worst price
    if average is None:
        return case.refuse(
            Reason.SLIPPAGE, f"nobody quotes inside its worst price {intent.worst_price}", worst=intent.worst_price
        )
    mid = _mid(book) or case.quote.mid
    slippage_bps = (average / mid - ONE) * intent.side.sign / BPS
    if slippage_bps <= case.limits.slippage_max_bps:
        return None
    return case.refuse(
        Reason.SLIPPAGE,
        f"the book would fill it {slippage_bps:.1f} bps from mid; allowed are {case.limits.slippage_max_bps} bps",
        slippage_bps=slippage_bps,
        limit_bps=case.limits.slippage_max_bps,
        average=average,
        mid=mid,
    )


def check_participation(case: OrderReview) -> Note | None:
    book = case.context.snapshot.books[case.intent.symbol]
    depth = sum((size for _, size in book.side_for(case.intent.side)), ZERO)
    part = (case.intent.size + _taken_before(case)) / depth if depth > 0 else Decimal("Infinity")
    if part <= case.limits.participation_max:
        return None
    return case.refuse(
        Reason.PARTICIPATION,
        f"takes {part:.3f} of the visible depth; allowed is {case.limits.participation_max}",
        share=part,
        limit=case.limits.participation_max,
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


def _taken_before(case: OrderReview) -> Decimal:
    intent = case.intent
    return sum((i.size for i in case.approved if i.symbol == intent.symbol and i.side is intent.side), ZERO)


def _mid(book: Book) -> Decimal | None:
    return (book.bids[0][0] + book.asks[0][0]) / 2 if book.bids and book.asks else None
