"""Why the engine says no. Dialects turn these reasons into a venue's codes and words."""

from enum import StrEnum


class RefusalReason(StrEnum):
    """A refused request changed nothing."""

    UNKNOWN_SYMBOL = "unknown_symbol"
    MARKET_CLOSED = "market_closed"
    SYMBOL_CLOSED = "symbol_closed"
    BAD_REQUEST = "bad_request"
    PRECISION = "precision"
    PRICE_FILTER = "price_filter"
    PRICE_TICK = "price_tick"
    PERCENT_PRICE_HIGH = "percent_price_high"
    PERCENT_PRICE_LOW = "percent_price_low"
    LOT_SIZE = "lot_size"
    LOT_STEP = "lot_step"
    MARKET_LOT_SIZE = "market_lot_size"
    MIN_NOTIONAL = "min_notional"
    MAX_ORDERS = "max_orders"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    INSUFFICIENT_MARGIN = "insufficient_margin"
    LEVERAGE_BRACKET = "leverage_bracket"
    DUPLICATE_CLIENT_ID = "duplicate_client_id"
    BAD_CLIENT_ID = "bad_client_id"
    WOULD_TAKE = "would_take"
    FOK_UNFILLED = "fok_unfilled"
    REDUCE_ONLY = "reduce_only"
    TRIGGER_IMMEDIATE = "trigger_immediate"
    NO_BOOK = "no_book"
    UNKNOWN_ORDER = "unknown_order"
    MARGIN_TYPE_SAME = "margin_type_same"
    OPEN_ORDERS_EXIST = "open_orders_exist"
    POSITION_EXISTS = "position_exists"
    POSITION_MISSING = "position_missing"
    LEVERAGE_INVALID = "leverage_invalid"
    LEVERAGE_REDUCTION = "leverage_reduction"
    MARGIN_INSUFFICIENT = "margin_insufficient"
    ACCOUNT_UNKNOWN = "account_unknown"
    REDUCE_ONLY_TAKEN = "reduce_only_taken"
    POSITION_SIDE = "position_side"
    POSITION_MODE_SAME = "position_mode_same"
    POSITION_MODE_ORDERS = "position_mode_orders"
    POSITION_MODE_POSITION = "position_mode_position"
    MULTI_ASSETS_SAME = "multi_assets_same"
    MULTI_ASSETS_ISOLATED = "multi_assets_isolated"
    MULTI_ASSETS_ORDERS = "multi_assets_orders"
    ISOLATED_UNDER_MULTI_ASSETS = "isolated_under_multi_assets"
    TRADING_DISABLED = "trading_disabled"
    LIST_PRICES = "list_prices"
    MAX_TRIGGERS = "max_triggers"
    MAX_LISTS = "max_lists"


class Refusal(Exception):
    """The engine's no. `reason` is for programs, `detail` a sentence with the numbers."""

    def __init__(self, reason: RefusalReason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason, self.detail = reason, detail
