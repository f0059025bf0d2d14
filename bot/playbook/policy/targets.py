"""Target weights of a sleeve and rungs of the profit ladder: how they are written and what is wrong with them."""

from collections.abc import Mapping
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field

SLEEVE_KINDS = ("spot", "futures")


class ProfitTarget(BaseModel):
    """One rung of the ladder: at `move` in price, close `part` of what was entered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    move: Decimal = Field(gt=0, le=5, description="price move from the entry, share")
    part: Decimal = Field(gt=0, le=1, description="part of the position closed there, share")


def target_shares(**values: str) -> dict[str, Decimal]:
    """Shares of the book by sleeve: `defi_spot="0.30"` is `{"defi.spot": Decimal("0.30")}`."""
    return {name.replace("_", ".", 1): Decimal(value) for name, value in values.items()}


def sectors_of(target: Mapping[str, Decimal]) -> tuple[str, ...]:
    """Names of the sectors of a target, in its order."""
    return tuple(dict.fromkeys(sleeve.rpartition(".")[0] for sleeve in target))


def problems_of_target(name: str, target: Mapping[str, Decimal]) -> list[str]:
    """What is wrong with a target, a sentence each."""
    result = [
        f"{name}: {sleeve!r} is not a sleeve; write SECTOR.spot or SECTOR.futures"
        for sleeve in target
        if sleeve.rpartition(".")[2] not in SLEEVE_KINDS or not sleeve.rpartition(".")[0]
    ]
    total = sum(target.values(), Decimal(0))
    if total > 1:
        result.append(f"{name}: the shares add up to {total}, more than the book: lower them to 1 or less")
    return result
