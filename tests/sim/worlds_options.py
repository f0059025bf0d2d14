"""The file of an operator's own series is away, spoiled or no longer kept up, in a life and between two."""

from tests.sim.faults import Kind
from tests.sim.hooks import Disturbance
from tests.sim.market import START_MS
from tests.sim.options import series_text

HOUR_MS = 3_600_000
SPOILED = ("", "<html>busy</html>", "date,value\n1,2\n", "date,value\nyesterday,many\n", "date,val", '{"rows": ')


class SeriesBroken(Disturbance):
    """Each time it is something else; now and then it is whole again."""

    async def act(self) -> None:
        self._spoil()

    async def between_lives(self) -> None:
        self._spoil()

    def _spoil(self) -> None:
        file = self.world.series_file
        if not self.plan.strikes(Kind.SERIES_BROKEN) or not self.world.has_series:
            return
        now_ms = self.world.now_ms()
        kind = self.plan.choose(Kind.SERIES_BROKEN, ["away", "spoiled", "cut", "old", "whole"])
        self.world.note(f"the series' file is {kind}")
        if kind == "away":
            file.unlink(missing_ok=True)
        elif kind == "spoiled":
            file.write_text(self.plan.choose(Kind.SERIES_BROKEN, SPOILED))
        elif kind == "cut":
            text = series_text(now_ms)
            half = text[: self.plan.count(Kind.SERIES_BROKEN, 0, len(text))]
            file.write_text(half.rpartition(",")[0])  # a part of a number is a number: nobody can tell
        else:
            behind = self.plan.choose(Kind.SERIES_BROKEN, [1, 20, 26, 60]) if kind == "old" else -24 * 30
            file.write_text(series_text(now_ms - behind * HOUR_MS))

    def heal(self) -> None:
        if self.world.has_series:
            self.world.series_file.write_text(series_text(START_MS + 30 * 24 * HOUR_MS))


WORLDS = (SeriesBroken,)
