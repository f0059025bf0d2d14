"""What profit and loss is made of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any, NamedTuple

from bot.domain.money import ZERO

OUTSIDE, SPOT_END, HEDGE = "outside the sectors", ".spot", "hedge"


def is_hedge(sleeve: str) -> bool:
    """Whether a sleeve is that of hedges, of a sector or of one that is not known."""
    return sleeve == HEDGE or sleeve.endswith(f".{HEDGE}")


class Source(NamedTuple):
    """Where a profit belongs: sleeve, campaign (0: none) and token."""

    sleeve: str
    campaign: int
    token: str


@dataclass(frozen=True, slots=True)
class ProfitParts:
    """Profit and loss in quote. `fees` are a cost (positive; a rebate is negative), `funding` is + when received.
    `other` is what the venue booked besides: clearance of a liquidation, rebates, cash missing without a record.
    `slippage` is what orders cost because they were executed at worse prices than those they were decided at (negative:
    better ones); it is a share of `price` and not counted again."""

    realised: Decimal = ZERO
    unrealised: Decimal = ZERO
    funding: Decimal = ZERO
    fees: Decimal = ZERO
    other: Decimal = ZERO
    slippage: Decimal = ZERO

    @property
    def price(self) -> Decimal:
        """What prices did, realised or not. Slippage is in it."""
        return self.realised + self.unrealised

    @property
    def net(self) -> Decimal:
        return self.price + self.funding - self.fees + self.other

    def __add__(self, more: "ProfitParts") -> "ProfitParts":
        return ProfitParts(*(getattr(self, one.name) + getattr(more, one.name) for one in fields(self)))

    def __sub__(self, less: "ProfitParts") -> "ProfitParts":
        return ProfitParts(*(getattr(self, one.name) - getattr(less, one.name) for one in fields(self)))


def sum_parts(parts: Iterable[ProfitParts]) -> ProfitParts:
    """The sum of parts."""
    return sum(parts, ProfitParts())


@dataclass(frozen=True, slots=True)
class StanceProfit:
    """Profit by what made it, while the book stood at one stance. Costs are negative; all but `covered`, which is what
    the spot under the hedges did and a part of the others, add up to `net`.

    `neutral` is what the neutral spot shares would have made at the equal-weighted return of each sector's tokens,
    `timing` what was held more or less than that at the same return, `selection` the rest of what spot did. `longs` are
    all perps that take a risk; `other` is what is outside the sectors, or was booked without an order.
    """

    span_ms: int = 0
    neutral: Decimal = ZERO
    timing: Decimal = ZERO
    selection: Decimal = ZERO
    hedges: Decimal = ZERO
    longs: Decimal = ZERO
    other: Decimal = ZERO
    funding: Decimal = ZERO
    fees: Decimal = ZERO
    slippage: Decimal = ZERO
    covered: Decimal = ZERO

    @property
    def net(self) -> Decimal:
        """The profit: the sum of the parts."""
        spot = self.neutral + self.timing + self.selection
        return spot + self.hedges + self.longs + self.other + self.funding + self.fees + self.slippage

    def __add__(self, more: "StanceProfit") -> "StanceProfit":
        return StanceProfit(*(getattr(self, one.name) + getattr(more, one.name) for one in fields(self)))


@dataclass(frozen=True, slots=True)
class Standing:
    """All profit from the beginning of the books up to a moment, by source, and the money that came in (+) or went out
    (−) without being profit, by its name. `hedged` is the notional of the hedges that stand, by sector ("" where it is
    not known)."""

    at_ms: int
    equity: Decimal
    parts: Mapping[Source, ProfitParts]
    flows: Mapping[str, Decimal]
    unpriced_fees: Mapping[str, Decimal] = field(default_factory=dict)
    hedged: Mapping[str, Decimal] = field(default_factory=dict)

    def since(self, before: "Standing", name: str) -> "Period":
        """The period between two standings."""
        sources = dict.fromkeys((*before.parts, *self.parts))
        changed = {one: self.parts.get(one, ProfitParts()) - before.parts.get(one, ProfitParts()) for one in sources}
        return Period(
            name=name,
            begin_ms=before.at_ms,
            end_ms=self.at_ms,
            equity_begin=before.equity,
            equity_end=self.equity,
            parts={source: parts for source, parts in changed.items() if parts != ProfitParts()},
            flows=_changes(self.flows, before.flows),
            unpriced_fees=_changes(self.unpriced_fees, before.unpriced_fees),
        )


def _changes(now: Mapping[str, Decimal], before: Mapping[str, Decimal]) -> dict[str, Decimal]:
    changed = {name: now.get(name, ZERO) - before.get(name, ZERO) for name in dict.fromkeys((*before, *now))}
    return {name: amount for name, amount in changed.items() if amount}


@dataclass(frozen=True, slots=True)
class Period:
    """Profit and loss between two valuations of the account.

    `equity_end − equity_begin = total.net + the sum of flows + unexplained`. `flows` are deposits, withdrawals and
    other money that is no profit. `unexplained` is what no fill, payment or adjustment of the journal accounts
    for: rounding, or a record that the venue has not listed yet. `unpriced_fees` were paid in an asset without a known
    price and are not in `fees`. `by_stance` adds up to `total.net`.
    """

    name: str
    begin_ms: int
    end_ms: int
    equity_begin: Decimal
    equity_end: Decimal
    parts: Mapping[Source, ProfitParts] = field(default_factory=dict)
    flows: Mapping[str, Decimal] = field(default_factory=dict)
    unpriced_fees: Mapping[str, Decimal] = field(default_factory=dict)
    by_stance: Mapping[str, StanceProfit] = field(default_factory=dict)

    @property
    def total(self) -> ProfitParts:
        return sum_parts(self.parts.values())

    @property
    def change(self) -> Decimal:
        """How much equity has changed, flows included."""
        return self.equity_end - self.equity_begin

    @property
    def unexplained(self) -> Decimal:
        return self.change - self.total.net - sum(self.flows.values(), ZERO)

    @property
    def by_sleeve(self) -> Mapping[str, ProfitParts]:
        return self._grouped("sleeve")

    @property
    def covered(self) -> Mapping[str, ProfitParts]:
        """Spot and hedges together, by each sector that had a hedge: what the hedge was for."""
        sleeves = self.by_sleeve
        sectors = sorted(name.removesuffix(".hedge") for name in sleeves if name.endswith(".hedge"))
        return {name: sleeves.get(f"{name}.spot", ProfitParts()) + sleeves[f"{name}.hedge"] for name in sectors}

    @property
    def by_token(self) -> Mapping[str, ProfitParts]:
        return self._grouped("token")

    @property
    def by_campaign(self) -> Mapping[int, ProfitParts]:
        """By the campaign whose orders made it; 0 is what belongs to none, such as the unrealised profit of spot."""
        return self._grouped("campaign")

    def _grouped(self, name: str) -> dict[Any, ProfitParts]:
        groups: dict[Any, ProfitParts] = {}
        for source, parts in self.parts.items():
            key = getattr(source, name)
            groups[key] = groups.get(key, ProfitParts()) + parts
        return dict(sorted(groups.items()))
