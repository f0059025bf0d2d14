"""Leverage and margin type of open positions, as the venue reports them (PLAYBOOK §7).

The planned exits hold at the leverage that the bot set, on isolated margin. What the venue reports is compared with
that in every guard: a difference stops entries until it is set right or the position is closed.
"""

from collections.abc import Mapping
from decimal import ROUND_FLOOR, Decimal

from bot.domain.campaign import Memory
from bot.playbook.book.context import PlanContext
from bot.playbook.policy.choices import Unowned
from bot.playbook.positions.hedge import hedge_leverage


def judge_leverage(memory: Memory, context: PlanContext) -> tuple[Mapping[str, Decimal], Mapping[str, str]]:
    """The leverage that every hedge and every position with exits ought to have, by perp; beside it the positions that
    differ, and how. `memory` holds what was found before, which stays while a position cannot be read."""
    owned = {held.symbol for held in memory.exits} | set(memory.hedges)
    right: dict[str, Decimal] = {}
    wrong: dict[str, str] = {}
    for symbol in sorted(context.portfolio.account.positions):
        position = context.position(symbol)
        if position is None:
            continue
        if context.portfolio.account.is_unread(position):  # the books know no leverage and no margin type
            right |= {name: one for name, one in memory.leverages.items() if name == symbol}
            wrong |= {name: message for name, message in memory.leverage_wrong.items() if name == symbol}
            continue
        result = []
        if not position.is_isolated and (
            symbol in owned or context.policy.exits.unowned_position is not Unowned.IGNORE
        ):
            result.append("the venue reports cross margin, where a loss takes the whole wallet; only isolated is used")
        if symbol in owned and position.leverage is not None:
            planned = _planned(symbol, memory, context)
            is_right = position.leverage in planned
            if not planned:
                is_right = position.leverage <= context.policy.sizing.position_leverage_max
                most = min(context.policy.tactical.leverage, context.policy.sizing.position_leverage_max)
                planned = (most.to_integral_value(ROUND_FLOOR),)
            right[symbol] = position.leverage if is_right else planned[0]
            if not is_right:
                result.append(f"the venue reports leverage {position.leverage}, {planned[0]} was set")
        elif symbol in memory.leverages:
            right[symbol] = memory.leverages[symbol]
        if result:
            wrong[symbol] = f"{symbol}: {'; '.join(result)}"
    return right, wrong


def _planned(symbol: str, memory: Memory, context: PlanContext) -> tuple[Decimal, ...]:
    """Leverage that the bot may have set: what was right before comes first, then what is being opened."""
    result = [memory.leverages[symbol]] if symbol in memory.leverages else []
    result += [one.leverage for one in memory.opening if one.symbol == symbol]
    legs = [leg for t in memory.campaign.tranches for leg in t.legs] if memory.campaign is not None else []
    result += [leg.leverage for leg in legs if leg.symbol == symbol and leg.leverage is not None]
    if symbol in memory.hedges:
        result.append(hedge_leverage(symbol, context))
    return tuple(one.to_integral_value(ROUND_FLOOR) for one in result)  # what venues take
