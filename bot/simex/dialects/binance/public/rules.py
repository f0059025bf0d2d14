"""Binance spot's reads of what bounds an execution: rules of symbols, reference prices, blocks. None is here."""

from collections.abc import Mapping
from typing import Any

from bot.simex.dialects.binance.common import ApiError, Call, Params, Route, public, venue_symbol
from bot.simex.dialects.binance.spot_market import selected, symbol_names

_MOST_WEIGHT = 40


def execution_rules(call: Call) -> Mapping[str, Any]:
    """No symbol has a rule, so that executions are bounded by the filters alone."""
    return {"symbolRules": [{"symbol": venue_symbol(instrument), "rules": []} for instrument in selected(call)]}


def no_reference_price(call: Call) -> Mapping[str, Any]:
    """Raises ApiError: -2043, always."""
    call.instrument()
    raise ApiError(-2043, "This symbol doesn't have a reference price.")


def no_block_trades(call: Call) -> list[Any]:
    call.instrument()
    return []


def _weight(params: Params) -> int:
    if "symbol" in params:
        return 2
    names = symbol_names(params)
    return _MOST_WEIGHT if names is None else min(_MOST_WEIGHT, 2 * len(names))


RULE_ROUTES: tuple[Route, ...] = (
    public("/api/v3/executionRules", execution_rules, _weight),
    public("/api/v3/referencePrice", no_reference_price, 2),
    public("/api/v3/referencePrice/calculation", no_reference_price, 2),
    public("/api/v3/historicalBlockTrades", no_block_trades, 25),
)
