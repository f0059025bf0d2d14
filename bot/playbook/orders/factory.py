"""The only place that builds an intent: a leg of a rotation, or an order of a kind outside of one.

Identity, numbers and purpose come from `bot.domain.order_ids`; the caller says what it wants, how much and how far.
"""

from dataclasses import fields
from decimal import Decimal

from bot.domain.campaign import Leg
from bot.domain.instrument import Instrument, Side
from bot.domain.market import Quote
from bot.domain.order import Intent, IntentTerms, Purpose
from bot.domain.order_ids import OrderKind, instrument_number, leg_id
from bot.playbook.book.context import PlanContext, with_slippage


def leg_intent(campaign: int, tranche: int, leg: Leg, terms: IntentTerms) -> Intent:
    """The intent of a leg of a rotation. `campaign` and `tranche` are their numbers."""
    identity = (leg_id(campaign, tranche, leg.index), campaign, tranche, leg.index)
    return _intent(identity, leg.purpose, leg.sector, leg.symbol, leg.side, terms, leg.words)


def kind_intent(kind: OrderKind, sector: str, symbol: str, side: Side, terms: IntentTerms, message: str) -> Intent:
    """The intent of an order outside of a rotation: campaign 0, the kind's number, the instrument's number."""
    identity = (kind.intent_id(symbol), 0, kind.number, instrument_number(symbol))
    return _intent(identity, kind.purpose, sector, symbol, side, terms, message)


def _intent(
    identity: tuple[str, int, int, int],
    purpose: Purpose,
    sector: str,
    symbol: str,
    side: Side,
    terms: IntentTerms,
    message: str,
) -> Intent:
    intent_id, campaign, tranche, leg = identity
    return Intent(
        id=intent_id,
        campaign=campaign,
        tranche=tranche,
        leg=leg,
        purpose=purpose,
        sector=sector,
        symbol=symbol,
        side=side,
        words=message,
        **{field.name: getattr(terms, field.name) for field in fields(terms)},
    )


def worst_price(price: Decimal, side: Side, bps: int, instrument: Instrument) -> Decimal:
    """The limit of an order: `bps` beyond `price`, rounded so that it is never worse."""
    return instrument.round_limit_price(with_slippage(price, side.sign, bps), side)


def can_open(symbol: str, context: PlanContext) -> tuple[Instrument, Quote] | None:
    """Instrument and quote of an order that may open something; None without either."""
    return _quoted(context.instrument(symbol), symbol, context)


def can_close(symbol: str, context: PlanContext) -> tuple[Instrument, Quote] | None:
    """Instrument and quote of an order that only closes; None without either."""
    return _quoted(context.closable(symbol), symbol, context)


def _quoted(instrument: Instrument | None, symbol: str, context: PlanContext) -> tuple[Instrument, Quote] | None:
    quote = context.snapshot.quotes.get(symbol)
    return None if instrument is None or quote is None or quote.defect() else (instrument, quote)
