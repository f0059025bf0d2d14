"""The engine's reasons in Binance's codes and words, one table for spot and one for futures.

A reason that a table does not know becomes -1000: the caller then knows that nothing is known.
"""

from collections.abc import Mapping

from bot.simex.dialects.binance.common import ApiError
from bot.simex.engine.refusal import Refusal, RefusalReason

_R = RefusalReason
_UNEXPECTED = (-1000, "An unknown error occurred while processing the request.")


def _filter(name: str) -> tuple[int, str]:
    return -1013, f"Filter failure: {name}"


SPOT_REFUSALS: Mapping[RefusalReason, tuple[int, str]] = {
    _R.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
    _R.MARKET_CLOSED: (-2010, "Market is closed."),
    _R.SYMBOL_CLOSED: (-2010, "Market is closed."),
    _R.BAD_REQUEST: (-1128, "Combination of optional parameters invalid."),
    _R.PRECISION: (-1111, "Precision is over the maximum defined for this asset."),
    _R.PRICE_FILTER: _filter("PRICE_FILTER"),
    _R.PRICE_TICK: _filter("PRICE_FILTER"),
    _R.PERCENT_PRICE_HIGH: _filter("PERCENT_PRICE_BY_SIDE"),
    _R.PERCENT_PRICE_LOW: _filter("PERCENT_PRICE_BY_SIDE"),
    _R.LOT_SIZE: _filter("LOT_SIZE"),
    _R.LOT_STEP: _filter("LOT_SIZE"),
    _R.MARKET_LOT_SIZE: _filter("MARKET_LOT_SIZE"),
    _R.MIN_NOTIONAL: _filter("NOTIONAL"),
    _R.MAX_ORDERS: _filter("MAX_NUM_ORDERS"),
    _R.MAX_TRIGGERS: _filter("MAX_NUM_ALGO_ORDERS"),
    _R.MAX_LISTS: _filter("MAX_NUM_ORDER_LISTS"),
    _R.INSUFFICIENT_BALANCE: (-2010, "Account has insufficient balance for requested action."),
    _R.DUPLICATE_CLIENT_ID: (-2010, "Duplicate order sent."),
    _R.BAD_CLIENT_ID: (
        -1100,
        "Illegal characters found in parameter 'newClientOrderId'; legal range is '^[a-zA-Z0-9-_]{1,36}$'.",
    ),
    _R.WOULD_TAKE: (-2010, "Order would immediately match and take."),
    _R.TRIGGER_IMMEDIATE: (-2010, "Order would trigger immediately."),
    _R.UNKNOWN_ORDER: (-2011, "Unknown order sent."),
    _R.ACCOUNT_UNKNOWN: (-2015, "Invalid API-key, IP, or permissions for action."),
    _R.TRADING_DISABLED: (-2010, "This action is disabled on this account."),
    _R.LIST_PRICES: (-2010, "The relationship of the prices for the orders is not correct."),
}

PERP_REFUSALS: Mapping[RefusalReason, tuple[int, str]] = {
    _R.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
    _R.MARKET_CLOSED: (-4140, "Invalid symbol status for opening position."),
    _R.SYMBOL_CLOSED: (-4141, "Symbol is closed."),
    # Binance documents that a close-position order of hedge mode must not open (BUY with LONG, SELL with SHORT), and no
    # code for it; users report this one.
    _R.BAD_REQUEST: (-1128, "Combination of optional parameters invalid."),
    _R.PRECISION: (-1111, "Precision is over the maximum defined for this asset."),
    _R.PRICE_FILTER: (-4002, "Price greater than max price."),
    _R.PRICE_TICK: (-4014, "Price not increased by tick size."),
    _R.PERCENT_PRICE_HIGH: (-4016, "Limit price can't be higher than {}."),
    _R.PERCENT_PRICE_LOW: (-4024, "Limit price can't be lower than {}."),
    _R.LOT_SIZE: (-4005, "Quantity greater than max quantity."),
    _R.LOT_STEP: (-4023, "Qty not increased by step size."),
    _R.MARKET_LOT_SIZE: (-4005, "Quantity greater than max quantity."),
    _R.MIN_NOTIONAL: (-4164, "Order's notional must be no smaller than {} (unless you choose reduce only)"),
    _R.MAX_ORDERS: (-2025, "Reach max open order limit."),
    _R.MAX_TRIGGERS: (-4045, "Reach max stop order limit."),
    _R.INSUFFICIENT_BALANCE: (-2018, "Balance is insufficient."),
    _R.INSUFFICIENT_MARGIN: (-2019, "Margin is insufficient."),
    _R.LEVERAGE_BRACKET: (-2027, "Exceeded the maximum allowable position at current leverage."),
    _R.DUPLICATE_CLIENT_ID: (-4116, "ClientOrderId is duplicated."),
    _R.BAD_CLIENT_ID: (
        -1100,
        r"Illegal characters found in parameter 'newClientOrderId'; legal range is '^[\.A-Z\:/a-z0-9_-]{1,36}$'.",
    ),
    _R.WOULD_TAKE: (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected. "
        "The order will not be recorded in the order history",
    ),
    _R.FOK_UNFILLED: (
        -5021,
        "Due to the order could not be filled immediately, the FOK order has been rejected. "
        "The order will not be recorded in the order history",
    ),
    _R.REDUCE_ONLY: (-2022, "ReduceOnly Order is rejected."),
    _R.TRIGGER_IMMEDIATE: (-2021, "Order would immediately trigger."),
    _R.NO_BOOK: (-4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit."),
    _R.UNKNOWN_ORDER: (-2011, "Unknown order sent."),
    _R.MARGIN_TYPE_SAME: (-4046, "No need to change margin type."),
    _R.OPEN_ORDERS_EXIST: (-4047, "Margin type cannot be changed if there exists open orders."),
    _R.POSITION_EXISTS: (-4048, "Margin type cannot be changed if there exists position."),
    _R.POSITION_MISSING: (-4049, "Add margin only support for isolated position."),
    _R.LEVERAGE_INVALID: (-4028, "Leverage {} is not valid"),
    _R.LEVERAGE_REDUCTION: (
        -4161,
        "Leverage reduction is not supported in Isolated Margin Mode with open positions",
    ),
    _R.MARGIN_INSUFFICIENT: (-4051, "Isolated balance insufficient."),
    _R.ACCOUNT_UNKNOWN: (-2015, "Invalid API-key, IP, or permissions for action."),
    _R.REDUCE_ONLY_TAKEN: (
        -4118,
        "ReduceOnly Order Failed. Please check your existing position and open orders.",
    ),
    _R.POSITION_SIDE: (-4061, "Order's position side does not match user's setting."),
    _R.POSITION_MODE_SAME: (-4059, "No need to change position side."),
    _R.POSITION_MODE_ORDERS: (-4067, "Position side cannot be changed if there exists open orders."),
    _R.POSITION_MODE_POSITION: (-4068, "Position side cannot be changed if there exists position."),
    _R.MULTI_ASSETS_SAME: (
        -4171,
        "Adjusted asset mode is currently set and does not need to be adjusted repeatedly.",
    ),
    _R.MULTI_ASSETS_ISOLATED: (
        -4167,
        "Unable to adjust to Multi-Assets mode with symbols of USDⓈ-M Futures under isolated-margin mode.",
    ),
    _R.MULTI_ASSETS_ORDERS: (-4170, "Unable to adjust Multi-Assets Mode with open orders in USDⓈ-M Futures."),
    _R.ISOLATED_UNDER_MULTI_ASSETS: (
        -4168,
        "Unable to adjust to isolated-margin mode under the Multi-Assets mode.",
    ),
    _R.TRADING_DISABLED: (-4088, "User can not place order currently"),
}


def spot_error(refusal: Refusal) -> ApiError:
    """The refusal of the engine in the codes of spot."""
    code, message = SPOT_REFUSALS.get(refusal.reason, _UNEXPECTED)
    return ApiError(code, message)


def perp_error(refusal: Refusal, number: str = "") -> ApiError:
    """`number` fills the place that some messages keep for a limit."""
    code, message = PERP_REFUSALS.get(refusal.reason, _UNEXPECTED)
    return ApiError(code, message.format(number) if "{}" in message else message)
