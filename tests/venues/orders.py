"""Order requests for tests of the writes."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from bot.domain.instrument import Side
from bot.domain.order import OrderType, TimeInForce
from bot.ports import OrderRequest
from tests.venues.binance_server import NOW_MS

SPOT_ORDER, PERP_ORDER, ALGO_ORDER = "/api/v3/order", "/fapi/v1/order", "/fapi/v1/algoOrder"


def request(symbol: str = "UNI/USDT", **changes: Any) -> OrderRequest:
    """A limit IOC buy of 3 UNI at 10.001, stamped a little before the clock."""
    base = OrderRequest(
        client_id="tsbabc000010102000301",
        symbol=symbol,
        side=Side.BUY,
        size=Decimal(3),
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        stamp_ms=NOW_MS - 137,
        receive_window_ms=4_321,
        price=Decimal("10.001"),
    )
    return replace(base, **changes)


def market(symbol: str = "UNI/USDT", **changes: Any) -> OrderRequest:
    return request(symbol, **{"order_type": OrderType.MARKET, "price": None} | changes)


def stop(symbol: str = "UNI/USDT:USDT", **changes: Any) -> OrderRequest:
    settings = {"order_type": OrderType.STOP, "price": None, "trigger_price": Decimal("9.5"), "side": Side.SELL}
    return request(symbol, **settings | changes)
