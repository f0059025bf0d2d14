"""Ways to state a profit that is not the exchange's."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.domain.order import Fill
from bot.ports import Payment
from bot.report.profit import by_stance
from bot.report.profit.ledger import OrderOf, ProfitLedger
from bot.report.profit.parts import StanceProfit
from tests.sim.faults import Kind
from tests.sim.mutants import LARGE, Mutant

RULE = ("profit adds up",)
NONE = StanceProfit()


def leave_out_funding(patch: pytest.MonkeyPatch) -> None:
    real = ProfitLedger.add_payment

    def mutant(ledger: ProfitLedger, payment: Payment) -> None:
        real(ledger, replace(payment, amount=payment.amount / 2) if payment.kind == "funding" else payment)

    patch.setattr(ProfitLedger, "add_payment", mutant)


def book_fees_in_kind_as_size_alone(patch: pytest.MonkeyPatch) -> None:
    real = ProfitLedger.add_fill

    def mutant(ledger: ProfitLedger, fill: Fill, value: Decimal, order: OrderOf | None) -> None:
        is_in_kind = fill.symbol.startswith(f"{fill.fee_asset}/")
        real(ledger, replace(fill, fee=Decimal(0)) if is_in_kind else fill, value, order)

    patch.setattr(ProfitLedger, "add_fill", mutant)


def give_hedges_to_no_stance(patch: pytest.MonkeyPatch) -> None:
    real = by_stance._gross_of
    patch.setattr(by_stance, "_gross_of", lambda sleeve, *rest: NONE if "hedge" in sleeve else real(sleeve, *rest))


def value_the_account_with_an_outcome_unknown(patch: pytest.MonkeyPatch) -> None:
    """At every cycle, so that a few seeds have enough of them."""
    patch.setattr("bot.runtime.watch.valuation.UNKNOWN_OUTCOME_STATES", ())
    patch.setattr("bot.runtime.watch.valuation.VALUATION_EVERY_MS", 0)


MUTANTS = (
    Mutant(
        "value the account while an outcome is unknown",
        value_the_account_with_an_outcome_unknown,
        ("valuations are of settled books",),
        (Kind.REQUEST_LOST, Kind.REPLY_LOST, Kind.LAG_ORDER),
        heaviness=8.0,
        lives=4,
    ),
    Mutant("leave out half of the funding", leave_out_funding, RULE, (), seeds=8, playbook=LARGE, ends=True),
    Mutant("book no fee in kind", book_fees_in_kind_as_size_alone, RULE, (), playbook=LARGE, ends=True),
    Mutant(
        "give hedges to no stance",
        give_hedges_to_no_stance,
        ("profit by stance adds up",),
        (),
        playbook={**LARGE, "playbook.regime.override": "uncertainty"},
        ends=True,
    ),
)
