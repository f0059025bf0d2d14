"""Sources of series that a test gives beforehand."""

from collections.abc import Mapping, Sequence

from bot.domain.market import Macro, Tvl


class StaticMacro:
    """Macro series given beforehand. A `MacroSource`."""

    def __init__(self, series: Sequence[Macro]) -> None:
        self.names = tuple(found.name for found in series)
        self._series = {found.name: found for found in series}

    async def fetch_macro(self, name: str) -> Macro:
        """The series as it was given. Raises nothing."""
        return self._series[name]


class StaticTvl:
    """TVL series given beforehand. A `TvlSource`."""

    def __init__(self, series: Mapping[str, Tvl]) -> None:
        self._series = dict(series)

    async def fetch_tvl(self, names: Sequence[str]) -> Mapping[str, Tvl]:
        """Those of the names that were given. Raises nothing."""
        return {name: self._series[name] for name in names if name in self._series}
