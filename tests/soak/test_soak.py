"""A soak of seconds, and the proof that its comparison would notice."""

import asyncio
import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.soak.books import Verdict, compare
from tests.soak.driver import Tally, soak
from tests.soak.exchange import ACCOUNT
from tests.soak.lives import End, draw_life
from tests.soak.spoiling import Plan, Spoiling

pytestmark = pytest.mark.slow

SECONDS, SEED = 10.0, 5
Dump = dict[str, Any]


@dataclass(frozen=True)
class Finished:
    """A short soak: what was done, what came out, and what a second comparison needs."""

    tally: Tally
    plan: Plan
    verdict: Verdict
    dump: Dump
    journal: Path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    directory = tmp_path_factory.mktemp("soak")
    run, verdict, _ = asyncio.run(soak(directory, seconds=SECONDS, seed=SEED, finishes=False))
    dump: Dump = json.loads((directory / "exchange.json").read_text())
    return Finished(run.tally, run.plan, verdict, dump, run.journal)


def test_a_daemon_that_is_killed_again_and_again_behind_a_spoiling_wire_agrees_with_the_exchange(
    finished: Finished,
) -> None:
    assert finished.tally.problems == []
    assert finished.verdict.mismatches == []
    assert finished.tally.lives >= 2
    assert finished.plan.counts.total() > 0
    assert finished.verdict.orders > 3
    assert finished.verdict.fills > 3


def forget_a_trade(dump: Dump) -> None:
    dump["trades"].pop()


def double_a_trade(dump: Dump) -> None:
    dump["trades"].append({**dump["trades"][-1], "id": 10**6})


def use_an_id_twice(dump: Dump) -> None:
    dump["orders"].append({**dump["orders"][0], "id": 10**6})


def forget_an_order(dump: Dump) -> None:
    dump["orders"].remove(next(order for order in dump["orders"] if order["status"] == "FILLED"))


def know_one_order_more(dump: Dump) -> None:
    dump["orders"].append({**dump["orders"][0], "client_id": dump["orders"][0]["client_id"][:-1] + "z"})


def place_a_strange_order(dump: Dump) -> None:
    dump["orders"].append({**dump["orders"][0], "client_id": "web_1"})


def fill_a_little_more(dump: Dump) -> None:
    order = next(order for order in dump["orders"] if order["status"] == "FILLED")
    order["filled_size"] = str(Decimal(order["filled_size"]) + Decimal("0.00000001"))


def lose_a_satoshi(dump: Dump) -> None:
    dump["end"]["spot"]["ETH"] = str(Decimal(dump["end"]["spot"]["ETH"]) - Decimal("0.00000001"))


def find_a_position(dump: Dump) -> None:
    dump["end"]["positions"]["SOL/USDT:USDT"] = "-1"


def lose_a_cent_of_margin(dump: Dump) -> None:
    dump["end"]["wallet"] = str(Decimal(dump["end"]["wallet"]) - Decimal("0.01"))


def see_two_live_orders(dump: Dump) -> None:
    first, second = (order["client_id"] for order in dump["orders"][:2])
    dump["doubles"].append({"leg": "a leg", "live": [first], "second": second})


@pytest.mark.parametrize(
    "spoil",
    [
        forget_a_trade,
        double_a_trade,
        use_an_id_twice,
        forget_an_order,
        know_one_order_more,
        place_a_strange_order,
        fill_a_little_more,
        lose_a_satoshi,
        find_a_position,
        lose_a_cent_of_margin,
        see_two_live_orders,
    ],
)
def test_the_comparison_notices_one_difference(finished: Finished, spoil: Callable[[Dump], None]) -> None:
    dump = copy.deepcopy(finished.dump)
    spoil(dump)
    assert compare(dump, finished.journal, ACCOUNT).mismatches


def test_a_long_without_its_stop_is_a_mismatch(finished: Finished) -> None:
    dump = copy.deepcopy(finished.dump)
    dump["end"]["positions"]["SOL/USDT:USDT"] = "1"
    assert any("with a stop of 0" in words for words in compare(dump, finished.journal, ACCOUNT).mismatches)


def test_one_seed_draws_one_soak_and_every_way_to_end_and_to_spoil() -> None:
    assert [draw_life(1, number) for number in range(40)] == [draw_life(1, number) for number in range(40)]
    assert draw_life(1, 0) != draw_life(2, 0)
    assert {draw_life(1, number).end for number in range(100)} == set(End)
    plan, again = Plan(1), Plan(1)
    drawn = [plan.draw("POST")[0] for _ in range(600)]
    assert drawn == [again.draw("POST")[0] for _ in range(600)]
    assert set(drawn) == {None, *Spoiling}
    assert plan.write_counts.total() == len([fault for fault in drawn if fault is not None])


def test_a_plan_that_is_switched_off_spoils_nothing_and_still_counts() -> None:
    plan = Plan(1, is_on=False)
    assert [plan.draw("POST")[0] for _ in range(50)] == [None] * 50
    assert plan.requests == 50
    assert plan.counts.total() == 0
