"""DefiLlama's daily fees and volumes of decentralised exchanges by a short name, without a key.

`defillama:fees` and `defillama:volumes` are the sources; their parts are protocols, chains, or all there is. A day's
value is dated by its start, in seconds, under `totalDataChart`, and grows until the day is over.
"""

from collections.abc import Sequence
from urllib.parse import quote

from bot.feeds.series.rows import SeriesColumns

PREFIX = "defillama:"
HOST = "https://api.llama.fi"
CHART = SeriesColumns("0", "1", "totalDataChart")
ALL = "all"
_QUERY = "?excludeTotalDataChart=false&excludeTotalDataChartBreakdown=true"
_KINDS = {"fees": ("fees", "&dataType=dailyFees"), "volumes": ("dexs", "")}
SOURCES = tuple(f"{PREFIX}{kind}" for kind in _KINDS)


def addresses_of(source: str, parts: Sequence[str]) -> tuple[str, ...]:
    """The addresses whose daily values add up to a source's.

    Args:
        source: one of `SOURCES`.
        parts: `protocol:SLUG`, `chain:NAME` or `all`; none is all.

    Raises:
        ValueError: source or part is not known; says which are.
    """
    path, more = _KINDS.get(source.removeprefix(PREFIX), ("", ""))
    if not path or not source.startswith(PREFIX):
        raise ValueError(f"{source} is no source of DefiLlama; use {' or '.join(SOURCES)}")
    return tuple(f"{HOST}{_path(path, part)}{_QUERY}{more}" for part in parts or (ALL,))


def _path(path: str, part: str) -> str:
    kind, _, name = part.partition(":")
    if part == ALL:
        return f"/overview/{path}"
    if kind == "chain" and name:
        return f"/overview/{path}/{quote(name, safe='')}"
    if kind == "protocol" and name:
        return f"/summary/{path}/{quote(name, safe='')}"
    raise ValueError(f"parts: {part!r} is no part; use protocol:SLUG, chain:NAME or {ALL}")
