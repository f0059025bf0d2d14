"""Ways to let one bad row, or one symbol, cost more than its own instrument."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from bot.execution import unreadable
from bot.execution.unreadable import Unread
from bot.venues.binance import reads
from bot.venues.binance.paging import Asking
from bot.venues.ccxt import rows
from tests.sim.faults import Kind
from tests.sim.mutants import SLICED, Mutant
from tests.sim.world import Seam

ONE_BAD = (Kind.BAD_ROW,)


def let_one_bad_row_take_the_list(patch: pytest.MonkeyPatch) -> None:
    def read_all(what: str, found: Iterable[Any], read: Callable[[Any], Any], symbol: str, defects: Any) -> list[Any]:
        return [read(row) for row in found]

    def read_all_orders(found: Iterable[Any], read: Callable[[Any], Any], *rest: Any) -> list[Any]:
        return [read(row) for row in found]

    def read_whole(read: Callable[..., Any]) -> Callable[..., Any]:
        def mutant(*arguments: Any) -> Any:
            found, unreadable = read(*arguments), arguments[-1]
            if unreadable:
                raise ValueError("a row of the account cannot be read")
            return found

        return mutant

    patch.setattr(rows, "read_each", read_all)
    patch.setattr(rows, "read_orders", read_all_orders)
    patch.setattr(reads, "read_positions", read_whole(reads.read_positions))
    patch.setattr(reads, "read_balances", read_whole(reads.read_balances))


def let_one_symbol_take_the_list(patch: pytest.MonkeyPatch) -> None:
    original = Asking._each

    async def mutant(self: Any, method: str, names: Iterable[str]) -> Any:
        answers, failed = await original(self, method, names)
        for error in failed.values():
            raise error
        return answers, failed

    patch.setattr(Asking, "_each", mutant)


def open_beside_a_bad_row(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(unreadable, "review", lambda account, defects, symbols: Unread(frozenset(), (), False))


MUTANTS = (
    Mutant(
        "let one bad row take the list",
        let_one_bad_row_take_the_list,
        ("one bad row takes no turn",),
        ONE_BAD,
        seeds=4,
        heaviness=16,
        playbook=SLICED,
        seam=Seam.WIRE,
    ),
    Mutant(
        "let one symbol take the list",
        let_one_symbol_take_the_list,
        ("one bad row takes no turn",),
        (Kind.SYMBOL_REFUSED,),
        seeds=4,
        heaviness=16,
        playbook=SLICED,
        seam=Seam.WIRE,
    ),
    Mutant(
        "open beside a bad row",
        open_beside_a_bad_row,
        ("no entry beside a bad row", "a row that cannot be read locks its instrument"),
        ONE_BAD,
        seeds=12,
        heaviness=16,
        playbook=SLICED,
    ),
)
