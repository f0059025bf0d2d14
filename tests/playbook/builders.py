"""Short worlds for the playbook's tests: two small sectors, exact prices, fills at the reference price."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from bot.domain.campaign import Condition, Memory, RegimeMemory, Transfer
from bot.domain.durations import MINUTE_MS
from bot.domain.instrument import Instrument, Kind, Side
from bot.domain.market import Funding, Quote, Snapshot
from bot.domain.money import ZERO
from bot.domain.order import Intent, Order
from bot.domain.portfolio import Account, Balance, Portfolio, Position
from bot.domain.states import OrderState
from bot.domain.turn.decision import Decision
from bot.playbook.book.portfolio import build_portfolio
from bot.playbook.decide import decide, guard
from bot.playbook.market.signal_cache import SignalCache
from bot.playbook.policy.numbers import Policy, Sectors

D = Decimal
BOOK = D(100_000)
LOT, NOTIONAL_MIN = D("0.0001"), D(5)
START_MS = 1_760_000_000_000
PRICES: Mapping[str, Decimal] = {"UNI": D(10), "AAVE": D(200), "ETH": D(2500), "SOL": D(125), "LINK": D(20)}


def make_sectors(**changes: object) -> Sectors:
    """defi: UNI, AAVE. infra: ETH, SOL. Leaders: UNI, ETH."""
    content: dict[str, object] = {
        "sectors": {
            "defi": {"hedge": ["UNI", "AAVE"], "tactical": ["UNI", "AAVE"], "weight_max": 1},
            "infra": {"hedge": ["ETH", "SOL"], "tactical": ["ETH"], "weight_max": 1},
        },
        "tokens": {"UNI": {"defi": 1}, "AAVE": {"defi": 1}, "ETH": {"infra": 1}, "SOL": {"infra": 1}},
    }
    return Sectors.model_validate(content | changes)


def one_token_each() -> Sectors:
    """The smallest world: UNI is DeFi, ETH is infrastructure."""
    return make_sectors(
        sectors={
            "defi": {"hedge": ["UNI"], "tactical": ["UNI"], "weight_max": 1},
            "infra": {"hedge": ["ETH"], "tactical": ["ETH"], "weight_max": 1},
        },
        tokens={"UNI": {"defi": 1}, "ETH": {"infra": 1}},
    )


def golden_policy(**changes: object) -> Policy:
    """The golden case's numbers (PLAYBOOK §2)."""
    base: dict[str, object] = {
        "shift": "0.20",
        "max_sell_fraction": "0.28",
        "max_sell_override": True,
        "tactical_leverage": 10,
        "max_leverage": 10,
        "leverage_override": True,
        "order_share_max": 1,
        "order_max_quote": 1_000_000,
        "tranche_interval_minutes": 60,
        "condition_override": "breakout",
        "cash_slippage_bps": 0,
        "hedge_with": "leader",
    }
    return Policy.model_validate(base | changes)


@dataclass
class World:
    """An account and prices that a test moves by hand. Orders fill completely at their reference price."""

    sectors: Sectors
    policy: Policy
    prices: dict[str, Decimal] = field(default_factory=lambda: dict(PRICES))
    spot: dict[str, Decimal] = field(default_factory=dict)
    perp_wallet: Decimal = ZERO
    positions: dict[str, Position] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)
    at_ms: int = START_MS
    fee: Decimal = ZERO
    spread: Decimal = ZERO
    lot: Decimal = LOT
    notional_min: Decimal = NOTIONAL_MIN
    working: tuple[Order, ...] = ()
    funding: dict[str, Decimal] = field(default_factory=dict)
    is_unified: bool = False
    unreadable: dict[str, str] = field(default_factory=dict)
    halted: set[str] = field(default_factory=set)
    unlisted: set[str] = field(default_factory=set)
    unquoted: set[str] = field(default_factory=set)
    decisions: list[Decision] = field(default_factory=list)

    def instruments(self) -> dict[str, Instrument]:
        """A spot and a perp instrument of every token that has a price, but for the unlisted ones."""
        found = {}
        for token in self.prices:
            for symbol, kind in ((f"{token}/USDT", Kind.SPOT), (f"{token}/USDT:USDT", Kind.PERP)):
                found[symbol] = Instrument(
                    "test",
                    symbol,
                    kind,
                    token,
                    "USDT",
                    D("0.01"),
                    self.lot,
                    self.lot,
                    self.notional_min,
                    maker_fee=self.fee,
                    taker_fee=self.fee,
                    leverage_max=D(50) if kind is Kind.PERP else D(1),
                    active=symbol not in self.halted,
                )
        return {symbol: instrument for symbol, instrument in found.items() if symbol not in self.unlisted}

    def snapshot(self) -> Snapshot:
        """Quotes with `spread` between the sides of the spot, mark and index equal to their middle."""
        quotes = {}
        for token, price in self.prices.items():
            half = price * self.spread / 2
            quotes[f"{token}/USDT"] = Quote(f"{token}/USDT", price - half, price + half, self.at_ms, price)
            perp = f"{token}/USDT:USDT"
            quotes[perp] = Quote(perp, price, price, self.at_ms, price, price, price)
        funding = {s: Funding(s, rate, 8, self.at_ms + 1, self.at_ms) for s, rate in self.funding.items()}
        quotes = {symbol: quote for symbol, quote in quotes.items() if symbol not in self.unquoted}
        return Snapshot(self.at_ms, self.instruments(), quotes, funding=funding)

    def account(self) -> Account:
        """The account at the prices of now."""
        positions = {s: self._marked(p) for s, p in self.positions.items() if p.size != 0}
        locked = sum((p.margin for p in positions.values()), ZERO)
        balances = {asset: Balance(asset, size) for asset, size in self.spot.items()}
        if self.is_unified:
            balances["USDT"] = Balance("USDT", self.spot["USDT"] - locked, locked)
        return Account(
            self.at_ms,
            "USDT",
            balances,
            ZERO if self.is_unified else self.perp_wallet,
            ZERO if self.is_unified else self.perp_wallet - locked,
            positions,
            self.is_unified,
            self.unreadable,
        )

    def _marked(self, position: Position) -> Position:
        price = self.prices[position.symbol.split("/")[0]]
        return replace(position, mark_price=price, unrealised_pnl=position.size * (price - position.entry_price))

    def portfolio(self, memory: Memory | None = None) -> Portfolio:
        """The account through sectors."""
        memory = self.memory if memory is None else memory
        return build_portfolio(self.account(), self.snapshot(), memory, self.policy, self.sectors)

    def decide(self) -> Decision:
        """One decision; its memory is kept, nothing is traded."""
        made = decide(
            self.snapshot(), self.portfolio(), self.memory, self.policy, self.sectors, self.working, SignalCache()
        )
        self.memory = made.memory
        self.decisions.append(made)
        return made

    def guard(self) -> Decision:
        """One guard; its memory is kept, nothing is traded."""
        made = guard(self.snapshot(), self.portfolio(), self.memory, self.policy, self.sectors, self.working)
        self.memory = made.memory
        return made

    def apply(self, intents: Iterable[Intent]) -> None:
        """Fill every intent at its reference price, a resting one at its own, with the fee in what is received; stops
        rest."""
        for intent in intents:
            if intent.order_type.is_trigger:
                self.working += (resting(intent, len(self.decisions)),)
                continue
            if intent.time_in_force.may_rest:
                intent = replace(intent, reference_price=intent.worst_price)
            assert intent.worst_price * intent.side.sign >= intent.reference_price * intent.side.sign
            if ":" in intent.symbol:
                self._fill_perp(intent)
            else:
                self._fill_spot(intent)

    def _fill_spot(self, intent: Intent) -> None:
        token, value = intent.symbol.split("/")[0], intent.size * intent.reference_price
        if intent.side is Side.BUY:
            assert self.spot["USDT"] >= intent.size * intent.worst_price, "the venue locks the worst price"
            self.spot["USDT"] -= value
            self.spot[token] = self.spot.get(token, ZERO) + intent.size * (1 - self.fee)
        else:
            assert self.spot[token] >= intent.size
            self.spot[token] -= intent.size
            self.spot["USDT"] += value * (1 - self.fee)

    def _fill_perp(self, intent: Intent) -> None:
        old = self.positions.get(intent.symbol) or Position(intent.symbol, ZERO, ZERO, ZERO, ZERO, ZERO)
        change, price = intent.size * intent.side.sign, intent.reference_price
        size = old.size + change
        entry, margin = old.entry_price, old.margin
        if intent.reduce_only:
            assert abs(size) <= abs(old.size), "reduce-only never grows or flips"
            self.perp_wallet += (old.size - size) * (price - old.entry_price)
            margin = old.margin * abs(size) / abs(old.size) if old.size else ZERO
        else:
            assert intent.leverage is not None
            entry = (abs(old.size) * old.entry_price + intent.size * price) / abs(size)
            margin = old.margin + intent.size * price / intent.leverage
            assert margin <= self.perp_wallet or self.is_unified
        wallet = "USDT" if self.is_unified else None
        if wallet:
            self.spot[wallet] -= intent.size * price * self.fee
        else:
            self.perp_wallet -= intent.size * price * self.fee
        self.positions[intent.symbol] = Position(
            intent.symbol, size, entry, price, ZERO, margin, intent.leverage or old.leverage
        )

    def move(self, transfers: Iterable[Transfer]) -> None:
        """Move cash between the wallets."""
        for transfer in transfers:
            assert not transfer.source, "a relabelling moves nothing"
            amount = transfer.amount if transfer.to_perp else -transfer.amount
            self.spot["USDT"] = self.spot.get("USDT", ZERO) - amount
            self.perp_wallet += amount
            assert self.spot["USDT"] >= 0
            assert self.perp_wallet >= 0

    def turn(self) -> Decision:
        """One cycle: decide, move, fill."""
        made = self.decide()
        self.working = tuple(order for order in self.working if order.client_id not in made.cancels)
        self.move(made.transfers)
        self.apply(made.intents)
        self.at_ms += 1000
        return made

    def run(self, rounds: int = 40) -> list[Decision]:
        """Cycles until one has nothing to do."""
        made = []
        for _ in range(rounds):
            made.append(self.turn())
            if not made[-1].intents and not made[-1].transfers:
                return made
        raise AssertionError("the campaign does not come to rest")

    def skip(self, minutes: int) -> None:
        """Let time pass."""
        self.at_ms += minutes * MINUTE_MS

    def table(self) -> dict[str, Decimal]:
        """Capital per sleeve and the reserve, as in PLAYBOOK §2: labels of the perp wallet are the futures sleeves."""
        portfolio = self.portfolio()
        found = {"reserve": portfolio.reserve}
        for name, sleeves in portfolio.sectors.items():
            found[f"{name}.spot"] = sleeves.spot
            found[f"{name}.futures"] = portfolio.labels.get(name, ZERO)
        return found


def neutral_world(policy: Policy, *, sectors: Sectors | None = None, book: Decimal = BOOK, **changes: object) -> World:
    """An account that stands exactly at its neutral weights, plus the configured reserve in cash."""
    sectors = sectors or make_sectors()
    world = World(sectors, policy, **changes)  # type: ignore[arg-type]
    world.spot = {"USDT": policy.allocation.reserve_quote}
    for name in sectors.sectors:
        members = sectors.members(name)
        for token in members:
            value = book * policy.allocation.neutral[f"{name}.spot"] / len(members)
            world.spot[token] = value / world.prices[token]
        if world.is_unified:
            world.spot["USDT"] += book * policy.allocation.neutral[f"{name}.futures"]
        else:
            world.perp_wallet += book * policy.allocation.neutral[f"{name}.futures"]
    labels = {name: book * policy.allocation.neutral[f"{name}.futures"] for name in sectors.sectors}
    world.memory = Memory(labels=labels)
    return world


def resting(intent: Intent, number: int = 0, state: OrderState = OrderState.OPEN) -> Order:
    """The intent as a live order of ours."""
    return Order(
        f"order-{number}-{intent.id}",
        intent.id,
        intent.purpose,
        intent.sector,
        intent.symbol,
        intent.side,
        intent.size,
        intent.worst_price,
        intent.order_type,
        intent.time_in_force,
        intent.reduce_only,
        state,
        START_MS,
        5_000,
        trigger_price=intent.trigger_price,
    )


def held_condition(condition: Condition) -> Memory:
    """Memory that already reads the market in one way."""
    return Memory(regime=RegimeMemory(condition, START_MS, condition, START_MS))
