"""The checks an order meets before money is looked at, one after the other; the first that fails is the answer."""

from decimal import Decimal

from bot.domain.instrument import Instrument, Side
from bot.domain.order import OrderType
from bot.simex.engine.refusal import Refusal, RefusalReason
from bot.simex.engine.rules import Rules
from bot.simex.engine.types import NewOrder

R = RefusalReason


def check_shape(order: NewOrder, instrument: Instrument) -> None:
    """That the fields fit the type of order. Raises Refusal(BAD_REQUEST)."""
    amounts = (order.size is not None) + (order.quote_size is not None) + order.close_position
    if amounts != 1:
        raise Refusal(R.BAD_REQUEST, "exactly one of size, quote size and close-position says how much")
    if order.quote_size is not None and (instrument.is_perp or order.type is not OrderType.MARKET):
        raise Refusal(R.BAD_REQUEST, "only a spot market order is placed by quote size")
    if order.type is OrderType.LIMIT and order.price is None:
        raise Refusal(R.BAD_REQUEST, "a limit order needs a price")
    if order.type is OrderType.MARKET and order.price is not None:
        raise Refusal(R.BAD_REQUEST, "a market order has no price")
    if order.type.is_trigger != (order.trigger_price is not None):
        raise Refusal(R.BAD_REQUEST, "trigger orders have a trigger price, the others have none")
    if (order.reduce_only or order.close_position) and not instrument.is_perp:
        raise Refusal(R.BAD_REQUEST, "reduce-only and close-position are for perps")
    if order.close_position and not order.type.is_trigger:
        raise Refusal(R.BAD_REQUEST, "close-position is for trigger orders")


def check_filters(order: NewOrder, instrument: Instrument, rules: Rules, reference: Decimal) -> None:
    """Price, band, lot and minimum notional against `reference` (mark, or the spot middle). Raises Refusal."""
    for price in (order.price, order.trigger_price):
        if price is not None:
            _check_price(price, instrument, rules)
    if order.price is not None:
        _check_band(order.price, order.side, instrument, rules, reference)
    if order.size is not None:
        _check_size(order, order.size, instrument)
        _check_notional(order, order.size, instrument, reference)
        if order.price is not None and not instrument.is_perp and order.size * order.price > rules.spot_notional_max:
            raise Refusal(R.MIN_NOTIONAL, f"value {order.size * order.price} is above {rules.spot_notional_max}")
    if order.quote_size is not None:
        if order.quote_size <= 0 or order.quote_size < instrument.notional_min:
            raise Refusal(R.MIN_NOTIONAL, f"value {order.quote_size} is below {instrument.notional_min}")
        if order.quote_size / reference < instrument.size_min:
            raise Refusal(R.LOT_SIZE, f"{order.quote_size} buys less than {instrument.size_min}")


def _check_price(price: Decimal, instrument: Instrument, rules: Rules) -> None:
    lowest, highest = rules.price_bounds_of(instrument)
    if not price.is_finite() or price <= 0 or price < lowest or price > highest:
        raise Refusal(R.PRICE_FILTER, f"price {price} is outside {lowest}..{highest}")
    if instrument.price_tick and price % instrument.price_tick:
        raise Refusal(R.PRICE_TICK, f"price {price} is no multiple of {instrument.price_tick}")


def _check_band(price: Decimal, side: Side, instrument: Instrument, rules: Rules, reference: Decimal) -> None:
    up, down = rules.perp_band(instrument.symbol) if instrument.is_perp else (rules.spot_band_up, rules.spot_band_down)
    # Perps bound only the side on which a price would be reckless; spot bounds both.
    if price > reference * up and (side is Side.BUY or not instrument.is_perp):
        raise Refusal(R.PERCENT_PRICE_HIGH, f"{instrument.nearest_price(reference * up)}")
    if price < reference * down and (side is Side.SELL or not instrument.is_perp):
        raise Refusal(R.PERCENT_PRICE_LOW, f"{instrument.nearest_price(reference * down)}")


def _check_size(order: NewOrder, size: Decimal, instrument: Instrument) -> None:
    if not size.is_finite() or size <= 0 or size < instrument.size_min:
        raise Refusal(R.LOT_SIZE, f"size {size} is below {instrument.size_min}")
    if instrument.size_max is not None and size > instrument.size_max:
        raise Refusal(R.LOT_SIZE, f"size {size} is above {instrument.size_max}")
    if instrument.size_step and size % instrument.size_step:
        raise Refusal(R.LOT_STEP, f"size {size} is no multiple of {instrument.size_step}")
    most = instrument.market_size_max
    if order.type is OrderType.MARKET and most is not None and size > most:
        raise Refusal(R.MARKET_LOT_SIZE, f"market size {size} is above {most}")


def _check_notional(order: NewOrder, size: Decimal, instrument: Instrument, reference: Decimal) -> None:
    if order.reduce_only and instrument.is_perp:
        return
    price = order.price or order.trigger_price or reference
    value = instrument.notional(size, price)
    if value < instrument.notional_min:
        raise Refusal(R.MIN_NOTIONAL, f"value {value} is below {instrument.notional_min}")
