"""Terms of USDⓈ-M orders beside type, side and size: self-trade prevention, price match, good-till-date, protection."""

from decimal import Decimal

from bot.domain.instrument import Instrument, Side
from bot.domain.order import TimeInForce
from bot.simex.dialects.binance.common import ApiError, Call, Params
from bot.simex.engine.types import PositionSide, SelfTrade, SimOrder

TIMES_IN_FORCE = {
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "GTX": TimeInForce.POST_ONLY,
    "GTD": TimeInForce.GTC,  # until `goodTillDate`
}
_WIRE_TIMES_IN_FORCE = {value: name for name, value in reversed(TIMES_IN_FORCE.items())}
_LEAST_MS, _LAST_MS = 600_000, 253_402_300_799_000
_MATCHES = {f"{side}{depth}" for side in ("OPPONENT", "QUEUE") for depth in ("", "_5", "_10", "_20")}
CALLBACK_RATES = (Decimal("0.1"), Decimal(20))


def position_side_of(params: Params) -> PositionSide:
    """BOTH when none is sent. Whether the account has such a side is the engine's to say.

    Raises:
        ApiError: -4060 for a word that is no side, -1106 for reduce-only where the side says it.
    """
    text = params.maybe_text("positionSide") or "BOTH"
    if text not in PositionSide.__members__:
        raise ApiError(-4060, "Invalid position side.")
    side = PositionSide[text]
    if side is not PositionSide.BOTH and "reduceOnly" in params:
        raise ApiError(-1106, "Parameter 'reduceonly' sent when not required.")
    return side


def self_trade_of(params: Params) -> SelfTrade:
    """The mode that the order asks for; the venue's default is that resting orders expire.

    Raises:
        ApiError: the mode is unknown.
    """
    name = params.maybe_text("selfTradePreventionMode")
    if name is not None and name not in SelfTrade.__members__:
        raise ApiError(-5039, "Invalid self trade prevention mode")
    return SelfTrade.EXPIRE_MAKER if name is None else SelfTrade[name]


def time_in_force_of(params: Params) -> TimeInForce:
    """The time in force of a request, which must name one."""
    return params.choice("timeInForce", TIMES_IN_FORCE, -1115, "Invalid timeInForce.")


def time_in_force_name(order: SimOrder) -> str:
    """The name of the time in force that an order has."""
    return "GTD" if order.good_till_ms else _WIRE_TIMES_IN_FORCE[order.time_in_force]


def good_till_ms(params: Params, now_ms: int) -> int:
    """When a GTD order ends, in whole seconds; 0 for others.

    Raises:
        ApiError: -1102 without a date, -5040 for one that is too near or too far.
    """
    if params.maybe_text("timeInForce") != "GTD":
        return 0
    date_ms = params.integer("goodTillDate")
    if not now_ms + _LEAST_MS < date_ms < _LAST_MS:
        raise ApiError(
            -5040,
            "The goodTillDate timestamp must be greater than the current time plus 600 seconds and smaller than "
            f"{_LAST_MS} (UTC 9999-12-31 23:59:59)",
        )
    return date_ms // 1000 * 1000


def price_match_of(params: Params, type_name: str) -> str:
    """The name of the price match, NONE without one.

    Raises:
        ApiError: -5037 for an unknown one, -5038 for a type without a limit price, -1106 beside a price.
    """
    name = params.maybe_text("priceMatch") or "NONE"
    if name == "NONE":
        return name
    if name not in _MATCHES:
        raise ApiError(-5037, "Invalid price match")
    if type_name not in ("LIMIT", "STOP", "TAKE_PROFIT"):
        raise ApiError(-5038, "Price match only supports order type: LIMIT, STOP AND TAKE_PROFIT")
    if "price" in params:
        raise ApiError(-1106, "Parameter 'price' sent when not required.")
    return name


def matched_price(call: Call, instrument: Instrument, side: Side, match: str) -> Decimal:
    """The price of that level of the book: of the other side (OPPONENT) or of the order's own (QUEUE).

    Raises:
        ApiError: -5041 where the book does not reach so far.
    """
    is_opponent, _, depth = match.startswith("OPPONENT"), *match.rpartition("_")[1:]
    number = int(depth) if depth.isdigit() else 1
    book = call.exchange.book(instrument.symbol, number)
    levels = book.asks if (side is Side.BUY) is is_opponent else book.bids
    if len(levels) < number:
        raise ApiError(-5041, "No depth matches this BBO order")
    return levels[number - 1][0]


def callback_rate_of(params: Params) -> Decimal:
    """The distance of a trailing order as a share; the wire has it in percent.

    Raises:
        ApiError: -1102 without one, -2007 outside 0.1 to 20 percent or finer than a tenth.
    """
    percent = params.decimal("callbackRate")
    if not CALLBACK_RATES[0] <= percent <= CALLBACK_RATES[1] or percent % Decimal("0.1"):
        raise ApiError(-2007, "Invalid callBack rate")
    return percent / 100
