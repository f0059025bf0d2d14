"""A restore, a second bot and a full disk inside a soak: what they do, and that the comparison still notices."""

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from bot.journal.journal import Journal, JournalReader
from tests.soak.intrusions import SHARES, Backups, Intrusion, draw_intrusion, fill, small_disk

pytestmark = pytest.mark.slow

EVERYTHING = frozenset(Intrusion)


def test_lives_are_drawn_alike_and_each_intrusion_comes_as_often_as_it_should() -> None:
    drawn = [draw_intrusion(7, number, EVERYTHING) for number in range(2_000)]
    assert drawn == [draw_intrusion(7, number, EVERYTHING) for number in range(2_000)]
    assert drawn[:2] == [None, None]
    counts = Counter(drawn)
    assert all(abs(counts[kind] / 2_000 - share) < 0.03 for kind, share in SHARES.items())
    one = frozenset({Intrusion.RESTORE})
    assert [what for what in drawn if what in one] == [
        w for w in (draw_intrusion(7, n, one) for n in range(2_000)) if w
    ]


async def test_a_restore_puts_an_earlier_backup_in_place_and_keeps_what_was_lost(tmp_path: Path) -> None:
    path, backups = tmp_path / "journal.db", Backups(tmp_path / "backups")
    backups.take(path)
    assert backups.taken == []
    for number in range(3):
        journal = await Journal.open(path, account="soak", now_ms=lambda: 1)
        await journal.record_fact("note", {"number": number})
        await journal.close()
        if number < 2:
            backups.take(path)
    backups.restore(path, Random(1))

    def notes(journal: Path) -> list[int]:
        reader = JournalReader(journal)
        found = [fact.payload["number"] for fact in reader.load_facts("note", 10)]
        reader.close()
        return found[::-1]

    assert notes(backups.lost[0]) == [0, 1, 2]
    assert notes(path) in ([0], [0, 1])


def test_a_disk_that_is_filled_takes_nothing_more_until_it_is_freed(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2 << 20) as is_mounted:
        if not is_mounted:  # nobody may mount here: the soak then does without
            return
        filler = fill(tmp_path / "disk")
        with (
            pytest.raises(OSError, match="No space left"),
            (tmp_path / "disk" / "more").open("wb", buffering=0) as file,
        ):
            file.write(b"\0" * 8192)
        filler.unlink()
        assert (tmp_path / "disk" / "more").write_bytes(b"\0" * 8192) == 8192
