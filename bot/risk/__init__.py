"""The risk gate between plan and journal (DESIGN §9). Pure; one verdict per intent."""

from bot.risk.breakers import executed_key, tripped
from bot.risk.canary import shrink
from bot.risk.case import TurnRisk
from bot.risk.gate import CHECKS, Approved, Refused, review
from bot.risk.limits import Limits
from bot.risk.market_checks import needs_fresh_price
from bot.risk.slicing import fit_to_depth

__all__ = [
    "CHECKS",
    "Approved",
    "Limits",
    "Refused",
    "TurnRisk",
    "executed_key",
    "fit_to_depth",
    "needs_fresh_price",
    "review",
    "shrink",
    "tripped",
]
