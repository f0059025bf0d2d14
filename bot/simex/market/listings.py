"""What Binance lists tokens with, as recorded: grids, bounds of prices, sizes, smallest values, bands, fees of a
liquidation.

Spot was recorded in October 2023 and, where it was seen again, in November 2025; perps in October 2025.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

SPOT_NOTIONAL_MIN = Decimal(5)
PERP_NOTIONAL_MIN = Decimal(5)


@dataclass(frozen=True, slots=True)
class ListedTerms:
    """Terms of one symbol. `band`: how far from the mark a perp's limit price may be, and a market order may take.
    `price_min`, `price_max`: no order has a price beyond them; `price_digits`: nor one with more decimals, and the tick
    may have fewer. None where none are known."""

    tick: Decimal
    step: Decimal
    size_max: Decimal
    market_size_max: Decimal
    notional_min: Decimal
    band: Decimal = Decimal("0.1")
    liquidation_fee: Decimal = Decimal("0.015")
    price_min: Decimal | None = None
    price_max: Decimal | None = None
    price_digits: Decimal | None = None


def spot_terms(token: str) -> ListedTerms | None:
    """The terms of a token's spot symbol, None where none are recorded."""
    row = _SPOT.get(token)
    if row is None:
        return None
    tick, step, size_max, market_size_max, price_max = map(Decimal, row.split())
    return ListedTerms(tick, step, size_max, market_size_max, SPOT_NOTIONAL_MIN, price_min=tick, price_max=price_max)


def perp_terms(token: str) -> ListedTerms | None:
    """The terms of a token's perp."""
    row = _PERP.get(token)
    return None if row is None else ListedTerms(*map(Decimal, row.split()))


# tick (and lowest price), step, largest quantity, largest quantity at market, highest price
_SPOT: Mapping[str, str] = {
    "BTC": "0.01 0.00001 9000 79.73716675 1000000",
    "BNB": "0.01 0.001 900000 4883.52938333 100000",
    "ETH": "0.01 0.0001 9000 2615.97462666 1000000",
    "SOL": "0.01 0.001 90000 62950.70086666 10000",
    "AVAX": "0.01 0.01 90000 50625.79325 10000",
    "LINK": "0.01 0.01 90000 120035.709625 10000",
    "NEAR": "0.001 0.1 900000 337383.49125 1000",
    "ATOM": "0.001 0.01 90000 46632.707625 10000",
    "DOT": "0.001 0.01 90000 89987.99854166 10000",
    "ARB": "0.0001 0.1 92141578 1003347.50625 1000",
    "OP": "0.001 0.01 92141578 818106.64745833 1000",
    "ADA": "0.0001 0.1 900000 2224801.76485355 1000",
    "APT": "0.0001 0.01 92141578 152755.57020833 1000",
    "SUI": "0.0001 0.1 92141578 1327359.36583333 1000",
    "INJ": "0.001 0.1 90000 34584.11833333 10000",
    "FIL": "0.001 0.01 9222449 154871.869375 10000",
    "ICP": "0.001 0.01 922327 57000.304625 100000",
    "GRT": "0.0001 1 900000 1806905.025 1000",
    "SEI": "0.0001 0.1 92141578 1658726.99291666 1000",
    "ALGO": "0.0001 1 922327 922327 100000",
    "UNI": "0.001 0.01 90000 44297.52929166 10000",
    "AAVE": "0.01 0.001 900000 5475.11257083 100000",
    "MKR": "1 0.0001 90000 311.64203 100000",
    "LDO": "0.001 0.01 92141578 198138.68416666 1000",
    "CRV": "0.0001 0.1 922327 624296.26875 10000",
    "SNX": "0.001 0.1 90000 178268.66875 10000",
    "PENDLE": "0.0001 0.1 92141578 166047.05416666 1000",
    "COMP": "0.01 0.001 90000 4483.42075416 100000",
    "SUSHI": "0.001 0.1 90000 236486.86708333 10000",
    "YFI": "1 0.00001 9000 19.80365729 1000000",
    "1INCH": "0.0001 0.1 900000 488067.10833333 1000",
    "DYDX": "0.001 0.01 9222449 269256.33620833 10000",
    "GMX": "0.01 0.001 9222449 4212.09482083 10000",
    "CAKE": "0.001 0.01 90000 75686.19579166 10000",
    "RUNE": "0.001 0.1 90000 127974.40541666 10000",
    "BAL": "0.001 0.01 90000 13665.441375 10000",
    "CVX": "0.001 0.001 9222449 13929.42710833 10000",
    "RAY": "0.0001 0.1 9222449 271559.53583333 10000",
}
# tick, step, both largest quantities, smallest value, band, share of a liquidation's value, lowest and highest price,
# decimals
_PERP: Mapping[str, str] = {
    "BTC": "0.1 0.001 1000 120 100 0.05 0.0125 556.8 4529764 2",
    "BNB": "0.01 0.01 100000 2000 5 0.05 0.0125 6.6 100000 3",
    "ETH": "0.01 0.001 10000 2000 20 0.05 0.0125 39.86 306177 2",
    "SOL": "0.01 0.01 1000000 6000 5 0.05 0.015 0.42 6857 4",
    "AVAX": "0.001 1 100000 30000 5 0.1 0.015 0.35 2403 4",
    "LINK": "0.001 0.01 200000 50000 20 0.1 0.0125 0.464 100000 3",
    "NEAR": "0.001 1 10000000 110000 5 0.1 0.015 0.048 1000 4",
    "ATOM": "0.001 0.01 1000000 100000 5 0.1 0.015 0.001 100000 3",
    "DOT": "0.001 0.1 1000000 100000 5 0.05 0.0125 0.001 2398 3",
    "ARB": "0.0001 0.1 5000000 1000000 5 0.15 0.015 0.0001 2000 6",
    "OP": "0.0001 0.1 10000000 400000 5 0.1 0.015 0.0001 200 7",
    "POL": "0.00001 1 8000000 1300000 5 0.15 0.015 0.0001 200 7",
    "ADA": "0.0001 1 6000000 1300000 5 0.05 0.0125 0.0174 20000 5",
    "APT": "0.0001 0.1 1000000 100000 5 0.1 0.015 0.001 20000 5",
    "SUI": "0.0001 0.1 10000000 600000 5 0.15 0.015 0.0001 2000 6",
    "INJ": "0.001 0.1 1000000 25000 5 0.1 0.015 0.001 2000 6",
    "FIL": "0.001 0.1 10000000 200000 5 0.1 0.015 0.001 10000 3",
    "ICP": "0.001 1 500000 100000 5 0.1 0.015 0.001 2000 6",
    "GRT": "0.00001 1 30000000 3000000 5 0.1 0.015 0.00001 100 5",
    "TIA": "0.0001 1 1000000 200000 5 0.15 0.015 0.0001 200 7",
    "SEI": "0.0001 1 20000000 2000000 5 0.15 0.015 0.0001 200 7",
    "ALGO": "0.0001 0.1 5000000 2000000 5 0.05 0.015 0.0001 1000 4",
    "UNI": "0.001 1 10000000 35000 5 0.1 0.015 0.001 2684 4",
    "AAVE": "0.01 0.1 1000000 1250 5 0.1 0.015 4.34 38702 3",
    "MKR": "0.1 0.001 10000 200 5 0.1 0.015 50 351788 2",
    "LDO": "0.0001 1 2000000 200000 5 0.1 0.015 0.001 2000 6",
    "CRV": "0.001 0.1 3000000 300000 5 0.1 0.015 0.001 1000 3",
    "SNX": "0.001 0.1 1000000 100000 5 0.1 0.015 0.001 1144 3",
    "PENDLE": "0.0001 1 3000000 100000 5 0.15 0.015 0.0001 200 7",
    "COMP": "0.01 0.001 30000 3000 5 0.1 0.015 0.01 100000 2",
    "SUSHI": "0.0001 1 10000000 200000 5 0.1 0.015 0.0001 1301 4",
    "YFI": "1 0.001 500 20 5 0.1 0.015 667 3836373 1",
    "1INCH": "0.0001 1 5000000 500000 5 0.1 0.015 0.0001 100000 4",
    "DYDX": "0.001 0.1 3000000 300000 5 0.1 0.015 0.01 100000 3",
    "GMX": "0.001 0.01 80000 8000 5 0.15 0.015 0.01 2000 6",
    "CAKE": "0.0001 1 1000000 80000 5 0.15 0.015 0.0001 200 7",
    "JUP": "0.0001 1 5000000 1000000 5 0.15 0.015 0.0001 200 7",
    "RUNE": "0.001 1 10000000 100000 5 0.1 0.015 0.001 839 4",
    "ENA": "0.0001 1 10000000 1000000 5 0.15 0.015 0.001 200 7",
    "BAL": "0.001 0.1 1000000 20000 5 0.1 0.02 0.001 5000 3",
    "CVX": "0.001 0.1 400000 40000 5 0.15 0.015 0.001 2000 6",
    "RAY": "0.001 0.1 500000 100 5 0.1 0.025 0.01 100000 3",
    "ETHFI": "0.0001 0.1 1000000 100000 5 0.15 0.015 0.001 2000 7",
}
