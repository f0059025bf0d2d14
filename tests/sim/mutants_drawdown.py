"""Ways to let a drawdown's stop end early, or entries pass it, and to judge losses by what is not known."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.domain.campaign import Memory
from bot.domain.money import share
from bot.domain.portfolio import Portfolio
from bot.playbook.book import portfolio
from bot.risk import breakers, gate
from bot.risk import time_checks as time
from bot.risk.limits import Limits
from bot.runtime.watch import drawdown
from tests.sim.faults import Kind
from tests.sim.mutants import LARGE, SLICED, Mutant

NEAR = {"drawdown_max": "0.0003", "drawdown_cooldown_days": "1"}


def end_the_stop_within_the_limit(patch: pytest.MonkeyPatch) -> None:
    def mutant(memory: Memory, equity: Decimal, limits: Limits, now_ms: int) -> Memory:
        is_fallen = share(memory.equity_peak - equity, memory.equity_peak) >= limits.drawdown_max
        return replace(memory, drawdown_since_ms=(memory.drawdown_since_ms or now_ms) if is_fallen else 0)

    patch.setattr(drawdown, "count_drawdown", mutant)


def buy_in_a_drawdown(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gate, "CHECKS", tuple(one for one in gate.CHECKS if one.judge is not time.check_drawdown))


def judge_losses_by_what_is_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gate, "CHECKS", tuple(one for one in gate.CHECKS if one.judge is not time.check_equity_known))
    patch.setattr(breakers, "BREAKERS", tuple(one for one in breakers.BREAKERS if one is not breakers.equity_unknown))
    patch.setattr(Portfolio, "unread", ())


def buy_while_equity_is_not_known(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gate, "CHECKS", tuple(one for one in gate.CHECKS if one.judge is not time.check_equity_known))


def await_every_price(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(portfolio, "_is_awaited", lambda asset, snapshot, memory, sectors: True)


MUTANTS = (
    Mutant(
        "await every price",
        await_every_price,
        ("a holding without a market stops nothing",),
        (),
        seeds=1,
    ),
    Mutant(
        "buy while equity is not known",
        buy_while_equity_is_not_known,
        ("nothing is bought while equity is not known",),
        (Kind.BAD_ROW,),
        seeds=8,
        heaviness=16,
        lives=5,
        playbook=SLICED,
    ),
    Mutant(
        "judge losses by what is believed",
        judge_losses_by_what_is_believed,
        ("entries stop while equity is not known", "no loss is judged"),
        (Kind.BAD_ROW,),
        seeds=8,
        heaviness=16,
        lives=5,
        playbook=SLICED,
    ),
    Mutant(
        "end a drawdown's stop within the limit",
        end_the_stop_within_the_limit,
        ("a drawdown's stop stays",),
        (),
        seeds=8,
        playbook=LARGE,
        limits=NEAR,
    ),
    Mutant(
        "buy in a drawdown",
        buy_in_a_drawdown,
        ("no purchase while a drawdown stops entries",),
        (),
        seeds=8,
        playbook=LARGE,
        limits=NEAR,
    ),
)
