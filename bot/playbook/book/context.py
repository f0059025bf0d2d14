"""What every part of a decision looks at: market, account, rules, live orders."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from bot.domain.campaign import Campaign, Leg, Phase
from bot.domain.instrument import Instrument, Side
from bot.domain.market import Snapshot
from bot.domain.money import BPS, ONE, ZERO
from bot.domain.order import Order
from bot.domain.order_ids import OrderKind, is_of_campaign, kind_of_intent
from bot.domain.portfolio import Portfolio, Position
from bot.domain.symbol import holding_of
from bot.playbook.policy.membership import Sectors
from bot.playbook.policy.numbers import Policy


@dataclass(frozen=True, slots=True)
class PlanContext:
    """One instant, seen by the planner. `working` holds our live orders, resting stops included; `directional` is perps
    of `Memory.directional`, which are neither hedges nor a rotation's; `stopped` is `Memory.hedges_stopped`; `unseen`
    is client ids in `working` that the venue does not show to rest; `hedges` is perps that hedge, by sector; `phases`
    are those of the sectors, where the market was read."""

    snapshot: Snapshot
    portfolio: Portfolio
    policy: Policy
    sectors: Sectors
    working: tuple[Order, ...]
    directional: Mapping[str, Decimal] = field(default_factory=dict)
    stopped: Mapping[str, int] = field(default_factory=dict)
    unseen: tuple[str, ...] = ()
    hedges: Mapping[str, str] = field(default_factory=dict)
    phases: Mapping[str, Phase] = field(default_factory=dict)

    @property
    def at_ms(self) -> int:
        return self.snapshot.at_ms

    def instrument(self, symbol: str) -> Instrument | None:
        """The instrument, None when it is not listed or not active."""
        result = self.snapshot.instruments.get(symbol)
        return result if result is not None and result.active else None

    def closable(self, symbol: str) -> Instrument | None:
        """The instrument, where what is held in it may be closed: an active one, or one that is listed no more."""
        result = self.snapshot.instruments.get(symbol)
        return result if result is not None and (result.active or result.is_former) else None

    def price(self, symbol: str) -> Decimal | None:
        """Valuation price, None without a sound quote."""
        return self.snapshot.price(symbol)

    def least_price(self, symbol: str, side: Side) -> Decimal | None:
        """The lowest price an order of ours may be valued at, which is what its minimum is judged by: the gate and the
        venue go by the worst price where that is lower."""
        quote, instrument = self.snapshot.quotes.get(symbol), self.instrument(symbol)
        if quote is None or instrument is None:
            return None
        worst = instrument.round_limit_price(with_slippage(quote.mid, side.sign, self.policy.orders.slippage_bps), side)
        return min(worst, quote.valuation)

    def held(self, symbol: str) -> Decimal:
        """Signed size held now."""
        return self.portfolio.held(symbol)

    def left(self, leg: Leg) -> Decimal:
        """Size still to trade of a leg: the lesser of what the account and what the journal's books leave of it. An
        account that goes on showing what is sold would have it sold again."""
        held, unexplained = self.held(leg.symbol), self.portfolio.account.unexplained
        return min(leg.left(held), leg.left(held - unexplained.get(holding_of(leg.symbol), ZERO)))

    def position(self, symbol: str) -> Position | None:
        """The perp position, None when flat."""
        result = self.portfolio.account.positions.get(symbol)
        return result if result is not None and result.size != 0 else None

    def live_orders(self, intent_id: str) -> tuple[Order, ...]:
        """Live orders of one intent."""
        return tuple(order for order in self.working if order.intent_id == intent_id and order.state.is_live)

    def live_for(self, kind: OrderKind, symbol: str) -> tuple[Order, ...]:
        """Live orders of one kind in one instrument."""
        return tuple(order for order in self.live_on(symbol) if kind_of_intent(order.intent_id) is kind)

    def live_on(self, symbol: str) -> tuple[Order, ...]:
        """Live orders in one instrument."""
        return tuple(order for order in self.working if order.symbol == symbol and order.state.is_live)


def belongs_to(order: Order, campaign: Campaign) -> bool:
    """Whether an order was sent for a leg of the campaign."""
    return is_of_campaign(order.intent_id, campaign.number)


def with_slippage(price: Decimal, sign: int, bps: int) -> Decimal:
    """`price` moved by `bps` in the direction of `sign`."""
    return price * (ONE + sign * BPS * bps)
