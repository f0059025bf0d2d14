"""A small account that passes the gate: two sectors of spot, a perp on each leader, 105,000 of equity."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from bot.domain.campaign import Memory
from bot.domain.instrument import Instrument, Kind, Side
from bot.domain.market import Book, Funding, Quote, Snapshot
from bot.domain.order import ExitPlan, Intent, Order, OrderType, Purpose, TimeInForce
from bot.domain.portfolio import Account, Balance, Holding, Portfolio, Position, Sleeves
from bot.domain.states import KillLevel, OrderState
from bot.risk import TurnRisk

D = Decimal
NOW = 1_700_000_000_000
PRICES = {"UNI": D(10), "AAVE": D(100), "ETH": D(2000), "SOL": D(50)}
SPOT = {"UNI": ("defi", D(1500)), "AAVE": ("defi", D(150)), "ETH": ("infra", D("13.75")), "SOL": ("infra", D(550))}
CASH, WALLET = D(5000), D(15000)
DEEP, FIVE, STOP = D(1_000_000), D(5), D("9.2")


def instrument(symbol: str) -> Instrument:
    base = symbol.split("/", 1)[0]
    return Instrument(
        "binance",
        symbol,
        Kind.PERP if ":" in symbol else Kind.SPOT,
        base,
        "USDT",
        price_tick=D("0.01"),
        size_step=D("0.001"),
        size_min=D("0.001"),
        notional_min=D(5),
        size_max=D(1_000_000),
        market_size_max=D(100_000),
        taker_fee=D("0.0005"),
        leverage_max=D(50),
    )


def quote(symbol: str, price: Decimal) -> Quote:
    is_perp = ":" in symbol
    return Quote(
        symbol,
        price * D("0.9999"),
        price * D("1.0001"),
        NOW - 1000,
        price,
        price if is_perp else None,
        price if is_perp else None,
    )


def book(symbol: str, price: Decimal, depth: Decimal = DEEP) -> Book:
    """Five levels each side, 1 bp apart, `depth` quote in all on a side."""
    size = depth / price / 5
    steps = [D(n) / 10_000 for n in range(1, 6)]
    bids, asks = (tuple((price * (1 + sign * step), size) for step in steps) for sign in (-1, 1))
    return Book(symbol, bids, asks, NOW - 1000)


def symbols() -> list[str]:
    return [f"{token}/USDT{perp}" for token in PRICES for perp in ("", ":USDT")]


def price_of(symbol: str) -> Decimal:
    return PRICES[symbol.split("/", 1)[0]]


def snapshot(**changes: Any) -> Snapshot:
    names = symbols()
    base = Snapshot(
        at_ms=NOW - 1000,
        instruments={s: instrument(s) for s in names},
        quotes={s: quote(s, price_of(s)) for s in names},
        books={s: book(s, price_of(s)) for s in names},
        funding={s: Funding(s, D("0.0001"), 8, NOW + 3_600_000, NOW) for s in names if ":" in s},
    )
    return replace(base, **changes)


def portfolio(
    positions: tuple[Position, ...] = (),
    *,
    cash: Decimal = CASH,
    wallet: Decimal = WALLET,
    at_ms: int = NOW - 500,
    sizes: dict[str, Decimal] | None = None,
) -> Portfolio:
    """Spot as in `SPOT` unless `sizes` says otherwise; perps are attributed to their token's sector."""
    held = {token: (sector, (sizes or {}).get(token, size)) for token, (sector, size) in SPOT.items()}
    balances = {token: Balance(token, size) for token, (_, size) in held.items()}
    balances["USDT"] = Balance("USDT", cash)
    locked = sum((p.margin for p in positions), D(0))
    account = Account(at_ms, "USDT", balances, wallet, wallet - locked, {p.symbol: p for p in positions})
    holdings = tuple(
        Holding(f"{token}/USDT", sector, size, PRICES[token], size * PRICES[token])
        for token, (sector, size) in held.items()
    )
    sectors = {}
    for name in ("defi", "infra"):
        mine = [p for p in positions if SPOT[p.symbol.split("/", 1)[0]][0] == name]
        sectors[name] = Sleeves(
            sum((h.value for h in holdings if h.sector == name), D(0)),
            D(0),
            sum((p.size * p.mark_price for p in mine), D(0)),
            sum((p.margin for p in mine), D(0)),
        )
    equity = sum((h.value for h in holdings), D(0)) + cash + account.perp_equity
    return Portfolio(account, equity, cash, equity - cash, sectors, holdings)


def position(symbol: str, size: Decimal, leverage: Decimal = FIVE) -> Position:
    price = price_of(symbol)
    return Position(symbol, size, price, price, D(0), abs(size) * price / leverage, leverage)


def hedging(hedges: Mapping[str, str]) -> Memory:
    """The memory of a bot whose hedges these are: the sector they cover, by perp."""
    return Memory(equity_peak=D(105_000), day_start_ms=NOW, day_start_equity=D(105_000), hedges=hedges)


def context(**changes: Any) -> TurnRisk:
    base = TurnRisk(
        now_ms=NOW,
        snapshot=snapshot(),
        portfolio=portfolio(),
        working=(),
        memory=hedging({}),
        kill=KillLevel.OFF,
        is_reconciled=True,
        locked=(),
        clock_skew_ms=10,
        turnover_today_quote=D(0),
        orders_last_minute=0,
        recent_fills=0,
        tokens={token: {sector: D(1)} for token, (sector, _) in SPOT.items()},
    )
    return replace(base, **changes)


def exits(stop: Decimal = STOP) -> ExitPlan:
    return ExitPlan(stop, ((D("10.8"), D("0.5")),), D("0.5"), NOW + 86_400_000, D(100))


def intent(symbol: str, side: Side, value_quote: Decimal | int, purpose: Purpose, **changes: Any) -> Intent:
    """An order of about `value_quote` at the valuation, its worst price 0.2 % beyond."""
    price = price_of(symbol)
    base = Intent(
        id=f"1.1.{symbol}.{side.value}.{purpose.value}",
        campaign=1,
        tranche=1,
        leg=1,
        purpose=purpose,
        sector=SPOT[symbol.split("/", 1)[0]][0],
        symbol=symbol,
        side=side,
        size=instrument(symbol).floor_size(D(value_quote) / price),
        worst_price=price * (1 + D("0.002") * side.sign),
        reference_price=price,
    )
    return replace(base, **changes)


def buy(value: Decimal | int = 1000, symbol: str = "UNI/USDT", **changes: Any) -> Intent:
    return replace(intent(symbol, Side.BUY, value, Purpose.INCREASE), **changes)


def sell(value: Decimal | int = 1000, symbol: str = "ETH/USDT", **changes: Any) -> Intent:
    return replace(intent(symbol, Side.SELL, value, Purpose.REDUCE), **changes)


def hedge(value: Decimal | int = 1000, symbol: str = "ETH/USDT:USDT", **changes: Any) -> Intent:
    return replace(intent(symbol, Side.SELL, value, Purpose.HEDGE, leverage=D(5)), **changes)


def tactical(value: Decimal | int = 1000, symbol: str = "UNI/USDT:USDT", **changes: Any) -> Intent:
    return replace(intent(symbol, Side.BUY, value, Purpose.TACTICAL, leverage=D(3), exits=exits()), **changes)


def release(value: Decimal | int = 1000, symbol: str = "ETH/USDT:USDT", **changes: Any) -> Intent:
    return replace(intent(symbol, Side.BUY, value, Purpose.RELEASE, reduce_only=True), **changes)


def working(of: Intent, state: OrderState = OrderState.OPEN, **changes: Any) -> Order:
    base = Order(
        "tsb0001",
        of.id,
        of.purpose,
        of.sector,
        of.symbol,
        of.side,
        of.size,
        of.worst_price,
        OrderType.LIMIT,
        TimeInForce.GTC,
        of.reduce_only,
        state,
        NOW - 5000,
        5000,
    )
    return replace(base, **changes)
