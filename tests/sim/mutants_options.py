"""Ways in which an option of the playbook does what it may not."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.domain.order import Purpose
from bot.feeds.series.source import ConfiguredSeries
from bot.playbook import decide
from bot.playbook.market import stance
from bot.playbook.overlays import directional
from bot.playbook.policy.numbers import Policy
from bot.playbook.rotation import campaign, progress, tranche
from bot.playbook.rotation.pace import Pace
from bot.runtime import turn
from tests.sim.faults import Kind
from tests.sim.mutants import LARGE, Mutant
from tests.sim.options import OPTIONS

PHASE, FUNDING, PULLBACK, TREND, LIQUID, SERIES, SCALP, _ = OPTIONS


def never_withdraw_a_purchase(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(decide, "withdrawn", lambda context, campaign: ())


def follow_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(progress, "pace_of", lambda *_: Pace(1, "at once"))


def forget_the_cap_on_sales(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(campaign, "sale_steps", lambda value, baseline, first, context: (value,))
    catch_up_without_a_cap(patch)


def catch_up_without_a_cap(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tranche, "within_cap", lambda campaign, context: (campaign, ()))


def keep_no_core(patch: pytest.MonkeyPatch) -> None:
    real = stance._de_risk

    def mutant(policy: Policy, trends: Mapping[str, float]) -> Any:
        kept = policy.model_copy(update={"trend": policy.trend.model_copy(update={"core": Decimal(0)})})
        return real(kept, trends)

    patch.setattr(stance, "_de_risk", mutant)


def hold_every_token_for_a_member(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(turn, "sectors_at", lambda sectors, *_: sectors)


def believe_a_series_however_old(patch: pytest.MonkeyPatch) -> None:
    real = ConfiguredSeries.__init__

    def mutant(self: ConfiguredSeries, series: Any, *rest: Any) -> None:
        real(self, {name: replace(spec, age_max_ms=10**12) for name, spec in series.items()}, *rest)

    patch.setattr(ConfiguredSeries, "__init__", mutant)


def scalp_beyond_the_wait(patch: pytest.MonkeyPatch) -> None:
    real = directional._why_over

    def mutant(held: Any, *rest: Any) -> str:
        return "" if held.purpose is Purpose.SCALP else real(held, *rest)

    patch.setattr(directional, "_why_over", mutant)


MUTANTS = (
    Mutant(
        "never withdraw a purchase",
        never_withdraw_a_purchase,
        ("a resting purchase ends",),
        (Kind.CONFIG_EDIT, Kind.RESTART),
        seeds=4,
        heaviness=6,
        first=20,
        playbook={**LARGE, **PULLBACK, "playbook.orders.increase_style": "market"},
        lives=6,
    ),
    Mutant(
        "scalp beyond the wait",
        scalp_beyond_the_wait,
        ("a scalp ends with the wait",),
        (),
        playbook={**LARGE, **SCALP},
        lives=4,
    ),
    Mutant("follow at once", follow_at_once, ("the pace has bounds",), (), playbook={**LARGE, **FUNDING}),
    Mutant(
        "forget the cap on sales",
        forget_the_cap_on_sales,
        ("a tranche sells no more",),
        (),
        playbook={**LARGE, **PHASE},
    ),
    Mutant(
        "catch up without a cap",
        catch_up_without_a_cap,
        ("a tranche sells no more",),
        (Kind.SYMBOL_REMOVED,),
        heaviness=10,
        playbook=LARGE,
        lives=6,
    ),
    Mutant(
        "keep no core",
        keep_no_core,
        ("a reduction keeps the core",),
        (),
        seeds=12,
        playbook={**LARGE, **TREND, "playbook.regime.override": "downtrend"},
    ),
    Mutant(
        "hold every token for a member",
        hold_every_token_for_a_member,
        ("only members are bought",),
        (),
        playbook={**LARGE, **LIQUID},
    ),
    Mutant(
        "believe a series however old",
        believe_a_series_however_old,
        ("a series is missing",),
        (Kind.SERIES_BROKEN,),
        seeds=8,
        heaviness=8,
        playbook={**LARGE, **SERIES},
    ),
)
