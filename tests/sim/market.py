"""The market the simulations trade on: three tokens a sector, a random walk with storms, made whole from a seed.

Points five minutes apart, joined by lines; a storm moves a token by up to a half within minutes and partly back.
Funding settles every hour, now and then at a hundred times its usual rate.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from functools import cache
from random import Random

from bot.domain.brackets import Bracket
from bot.domain.durations import HOUR_MS
from bot.domain.instrument import Instrument
from bot.simex.engine.rules import Rules
from bot.simex.market.catalogue import default_instruments
from tests.simex.scripted_market import Points, ScriptedMarket

START_MS = 1_767_600_000_000  # 2026-01-05 08:00 UTC
PRICES: Mapping[str, float] = {
    "BTC": 90_000.0,
    "UNI": 10.0,
    "AAVE": 200.0,
    "LDO": 1.25,
    "ETH": 3_000.0,
    "SOL": 150.0,
    "AVAX": 25.0,
}
TOKENS = tuple(PRICES)
GIFT = "GIFT"  # an asset without a market, as an airdrop leaves it in an account
OLD, NEW, RATIO = "AVAX", "AVAXX", 100  # a token that is renamed in a simulation with a rename
STEP_MS = 300_000
HISTORY_HOURS, HORIZON_HOURS = 24 * 12, 96
PAST_DAYS = 110  # before that, for seeds whose options look months back
MARKETS = 12  # so many different ones are made; seeds share them, because they only ever answer


def instruments(*, renames: bool = False) -> dict[str, Instrument]:
    """Spot and perp of every token, with room for the playbook's leverage; the new name as well if it `renames`."""
    more = default_instruments((NEW,), {NEW: PRICES[OLD] / RATIO}) if renames else {}
    return {**default_instruments(TOKENS, PRICES), **more}


def brackets_of(rules: Rules) -> dict[str, tuple[Bracket, ...]]:
    """The exchange's own brackets, worked out once."""
    return {
        symbol: rules.brackets_for(instrument)
        for symbol, instrument in instruments(renames=True).items()
        if ":" in symbol
    }


@cache
def market_of(number: int, *, has_past: bool = False) -> ScriptedMarket:
    """Market `number`, 0 to MARKETS − 1: the even ones are calm, the odd ones have storms. With `has_past` it begins
    months earlier and is the same from then on."""
    chance = Random(f"market {number}")
    points: dict[str, Points] = {}
    funding: dict[str, list[tuple[int, float]]] = {}
    for token, price in PRICES.items():
        path = _path(Random(f"market {number} {token}"), price, is_stormy=number % 2 == 1)
        if has_past:
            path = [*_past(Random(f"past {number} {token}"), price, path[0][0]), *path]
        points[f"{token}/USDT"] = path
        tilt = 1 + chance.uniform(-0.0004, 0.0004)
        points[f"{token}/USDT:USDT"] = [(ms, price * tilt) for ms, price in path]
        funding[f"{token}/USDT:USDT"] = _funding(Random(f"funding {number} {token}"), is_wild=number % 3 == 2)
    for perp in ("", ":USDT"):
        points[f"{NEW}/USDT{perp}"] = [(ms, price / RATIO) for ms, price in points[f"{OLD}/USDT{perp}"]]
    funding[f"{NEW}/USDT:USDT"] = funding[f"{OLD}/USDT:USDT"]
    return ScriptedMarket(points, funding=funding, spread=0.0003, depth_quote=chance.choice([40_000.0, 250_000.0, 2e6]))


def shifted(instrument: Instrument, chance: Random) -> Instrument:
    """The same instrument after the venue has changed a filter: steps, minimums or ticks ten times as large."""
    what = chance.choice(["size_step", "notional_min", "price_tick", "size_max"])
    if what == "size_step":
        return replace(instrument, size_step=instrument.size_step * 10, size_min=instrument.size_min * 10)
    if what == "notional_min":
        return replace(instrument, notional_min=instrument.notional_min * chance.choice([2, 5, 10]))
    if what == "price_tick":
        return replace(instrument, price_tick=instrument.price_tick * 10)
    return replace(instrument, size_max=Decimal(9_000_000) / chance.choice([1, 10]))


def _path(chance: Random, price: float, *, is_stormy: bool) -> Points:
    start = START_MS - HISTORY_HOURS * HOUR_MS
    rows = [(start + hour * HOUR_MS, price * (1 + chance.gauss(0, 0.01))) for hour in range(HISTORY_HOURS)]
    storms: dict[int, float] = {}
    count = HORIZON_HOURS * HOUR_MS // STEP_MS
    if is_stormy:
        for _ in range(chance.randint(1, 4)):
            at, size = chance.randrange(12, count), chance.choice([-0.5, -0.3, -0.15, 0.15, 0.3, 0.5])
            storms[at] = size
            storms[at + chance.randint(1, 12)] = -size * chance.uniform(0.3, 0.9)
    for index in range(count):
        rows.append((START_MS + index * STEP_MS, price))
        price *= (1 + chance.gauss(0, 0.0012)) * (1 + storms.get(index, 0.0))
    return rows


def _past(chance: Random, price: float, until_ms: int) -> Points:
    """A point a day, back from a price."""
    rows = []
    for day in range(1, PAST_DAYS + 1):
        price *= 1 + chance.gauss(0, 0.03)
        rows.append((until_ms - day * 24 * HOUR_MS, price))
    return rows[::-1]


def _funding(chance: Random, *, is_wild: bool) -> list[tuple[int, float]]:
    start = START_MS - HISTORY_HOURS * HOUR_MS
    return [
        (start + hour * HOUR_MS, chance.gauss(0.00005, 0.00005) * (100 if is_wild and chance.random() < 0.1 else 1))
        for hour in range(HISTORY_HOURS + HORIZON_HOURS)
    ]
