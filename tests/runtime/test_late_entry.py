"""A tactical entry that comes a day late: its planned stop no longer fits, and the rotation must end all the same."""

from pathlib import Path

from bot.domain.durations import HOUR_MS
from bot.domain.order import Purpose
from tests.stage import staged


async def test_a_long_whose_planned_exits_no_longer_fit_is_left_out_and_the_rotation_ends(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, stage.app() as app:
        while not any(o.purpose is Purpose.INCREASE for o in app.journal.reader.load_orders(1_000)):
            await stage.turn(app)
        stage.embedded.clock.skip(120 * HOUR_MS)
        await stage.rotate(app, rounds=60)
        await stage.check_books(app)
