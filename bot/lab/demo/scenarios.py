"""What the demo can show: a market, an account on it, the settings for it, and when it is over."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.domain.durations import HOUR_MS
from bot.domain.states import CampaignState
from bot.runtime.cycle import CycleResult
from bot.runtime.settings.model import Settings, load_settings, packaged_config
from bot.runtime.simulator.embedded import ANCHORS, Embedded, embed, embed_synthetic, tokens_of

SIM_START = datetime(2026, 1, 5, 8, tzinfo=UTC)
HISTORY = timedelta(days=150)
DEFI_HELD = ("UNI", "AAVE", "LDO", "CRV", "COMP", "SUSHI", "SNX", "PENDLE", "DYDX", "CAKE")
DOUBLED = {token: ANCHORS[token] for token in DEFI_HELD}
CONSTANTS: Mapping[str, Mapping[str, Any]] = {"doubled": {"hedging.margin_keep": 0}}
SCENARIOS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "golden": (
        "golden",
        "DeFi breaks out: money moves there from infrastructure. Sales and the cash reserve pay the purchases; "
        "later sales repay the reserve",
        (),
    ),
    "golden-idle-margin": (
        "golden",
        "the same without a cash reserve: sales and margin that lies idle pay the purchases; "
        "later sales repay the margin",
        ('playbook.rotation.bridge="idle-margin"', "playbook.allocation.reserve_quote=0"),
    ),
    "risk-off": (
        "risk-off",
        "DeFi weakens, infrastructure holds, and a regulator has spoken: money moves into infrastructure",
        (
            'calendar=[{ name = "hearing on DeFi front ends", kind = "regulatory", start = 2026-01-03T00:00:00Z, '
            'end = 2026-01-25T00:00:00Z, weight = "-1" }]',
        ),
    ),
    "downtrend": (
        "downtrend",
        "everything falls: both sectors are reduced; hedges cover what waits to be sold and end with its sale",
        (),
    ),
    "doubled": (
        "downtrend",
        "a DeFi holding has doubled since it was bought: its gain is hedged without a sale, and the fall is offset",
        (
            'playbook.gains.hedge="full"',
            'playbook.regime.override="neutral"',
            *(f'cost_basis.{token}={{ size = 1000000000, price = "{price / 2}" }}' for token, price in DOUBLED.items()),
        ),
    ),
}


class ScenarioError(Exception):
    """A scenario that cannot be shown: says which option, why, and what to give instead."""


@dataclass(slots=True)
class Stage:
    """A scenario made ready."""

    settings: Settings
    embedded: Embedded
    words: str
    end_ms: int
    step_ms: int
    reports_skips: bool

    def is_over(self, result: CycleResult, now_ms: int) -> bool:
        """A synthetic scenario ends with its rotation; a replay at its end date."""
        campaign = result.decision.campaign
        if not self.reports_skips:
            return now_ms >= self.end_ms
        has_rotated = campaign is not None and campaign.state in (CampaignState.DONE, CampaignState.ABORTED)
        return now_ms >= self.end_ms or (has_rotated and not result.decision.intents)

    def next_ms(self, result: CycleResult, now_ms: int) -> int:
        """When the next cycle is worth running: the next tranche, or the end of a step.

        A tranche is waited for when the cycle found it waiting; on a slow machine it is due by the time the cycle ends.
        """
        campaign, step = result.decision.campaign, now_ms + self.step_ms
        tranche = campaign.current if campaign is not None and not campaign.is_over else None
        if tranche is not None and result.snapshot.at_ms < tranche.begins_ms:
            step = tranche.begins_ms if self.reports_skips else min(step, tranche.begins_ms)
        return min(step, self.end_ms)


async def prepare(options: Any) -> Stage:
    """The stage for `DemoOptions`.

    Raises:
        ScenarioError: unknown scenario, unreadable market directory, empty window.
    """
    return await (_synthetic(options) if options.market is None else _replay(options))


async def _synthetic(options: Any) -> Stage:
    if options.scenario not in SCENARIOS:
        raise ScenarioError(f"--scenario {options.scenario}: unknown; choose one of {', '.join(SCENARIOS)}")
    kind, message, changes = SCENARIOS[options.scenario]
    settings = _settings(options, changes)
    playbook = settings.playbook.changed(CONSTANTS.get(options.scenario, {}))
    settings = settings.model_copy(update={"playbook": playbook})
    start_ms = _ms(SIM_START)
    embedded = await embed_synthetic(settings, scenario=kind, seed=options.seed, start_ms=start_ms)
    days = 3 if options.scenario == "doubled" else 14  # no rotation ends that one
    end_ms = start_ms + days * 24 * HOUR_MS
    return Stage(settings, embedded, message, end_ms, 4 * HOUR_MS, reports_skips=True)


async def _replay(options: Any) -> Stage:
    for name, value in (("--from", options.start), ("--to", options.end)):
        if value is None:
            raise ScenarioError(f"--market {options.market} needs {name} DATE, for example {name} 2024-10-15")
    if options.end <= options.start:
        raise ScenarioError(f"--to {options.end:%Y-%m-%d} is not after --from {options.start:%Y-%m-%d}")
    settings = _settings(options, ())
    try:
        from bot.simex.market.parquet import MarketFolderError, load_market  # the extra `data`, needed nowhere else
    except ImportError as error:
        raise ScenarioError(
            f"--market needs the package {error.name}: run `make data` in the checkout, or `pip install '.[data]'`"
        ) from error
    try:
        market = load_market(
            options.market,
            tokens_of(settings),
            start_ms=_ms(options.start - HISTORY),
            end_ms=_ms(options.end),
            perps=settings.universe.perp_symbols,
        )
    except (MarketFolderError, OSError, ValueError) as error:
        raise ScenarioError(f"--market {options.market}: {error}") from error
    embedded = await embed(settings, market, _ms(options.start))
    message = f"real candles of {options.market.name}, {options.start:%Y-%m-%d} → {options.end:%Y-%m-%d}"
    end_ms = _ms(options.end)
    return Stage(settings, embedded, message, end_ms, 24 * HOUR_MS, reports_skips=False)


def _settings(options: Any, changes: tuple[str, ...]) -> Settings:
    directory = options.directory or Path(tempfile.mkdtemp(prefix="sectorbot-demo-"))
    fixed = ('environment="sim"', 'mode="trade"', 'venue.account="demo"', f'state_directory="{directory}"')
    return load_settings(
        [packaged_config() / "golden.toml"] if options.market is None else [],
        (*changes, *options.venue_settings, *fixed),
    )


def day(text: str) -> datetime:
    """A date as its first instant, UTC.

    Raises:
        ValueError: when it is no ISO date.
    """
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
