"""Why a position ends while it is held: a table of rules, like the gate's checks (PLAYBOOK §7)."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from bot.domain.campaign import OpenExit
from bot.domain.instrument import Side
from bot.domain.money import ONE
from bot.domain.reason import Note, Reason
from bot.playbook.policy.numbers import Policy


@dataclass(frozen=True, slots=True)
class ExitReview:
    """A held position as the rules see it. `held` has its best price and the targets hit up to now; `stop` is the stop
    price of now; `signed` says why the market ends the position, empty when it does not."""

    held: OpenExit
    mark: Decimal
    stop: Decimal
    signed: str
    at_ms: int
    policy: Policy

    def is_at_or_beyond(self, price: Decimal) -> bool:
        """Whether mark is at `price` or on its losing side."""
        return (self.mark - price) * self.held.side.sign <= 0


@dataclass(frozen=True, slots=True)
class ExitCheck:
    """A rule: its name, the reason it gives, and a function that says why the position ends, empty when it does not."""

    name: str
    reason: Reason
    judge: Callable[[ExitReview], str]


def trailing_stop(held: OpenExit) -> Decimal:
    """The price at which the rest of a position ends once all targets were hit."""
    return held.best_price * (ONE - held.side.sign * held.plan.trailing_share)


def judge_stop(case: ExitReview) -> str:
    """The stop price is reached."""
    beyond = "below" if case.held.side is Side.BUY else "above"
    return f"mark {case.mark} is at or {beyond} the stop {case.stop}" if case.is_at_or_beyond(case.stop) else ""


def judge_trailing(case: ExitReview) -> str:
    """All targets were hit and the price has turned."""
    held = case.held
    if held.targets_hit < len(held.plan.targets) or not case.is_at_or_beyond(trailing_stop(held)):
        return ""
    turned = "fell" if held.side is Side.BUY else "rose"
    return f"mark {case.mark} {turned} {held.plan.trailing_share:.0%} from its best {held.best_price}"


def judge_time(case: ExitReview) -> str:
    """The longest holding time is over."""
    return "its time is over" if case.at_ms >= case.held.plan.deadline_ms else ""


def judge_funding(case: ExitReview) -> str:
    """The position has paid more funding than its budget."""
    paid, budget = case.held.funding_paid, case.held.plan.funding_budget_quote
    return f"funding paid {paid:.2f} passes its budget {budget:.2f}" if paid > budget else ""


def judge_signs(case: ExitReview) -> str:
    """Signals give a reason to end the position."""
    return case.signed


# In order: the first rule that fires names the reason.
EXIT_RULES: tuple[ExitCheck, ...] = (
    ExitCheck("stop", Reason.EXIT_STOP, judge_stop),
    ExitCheck("trailing", Reason.EXIT_TARGET, judge_trailing),
    ExitCheck("time", Reason.EXIT_TIME, judge_time),
    ExitCheck("funding", Reason.EXIT_FUNDING, judge_funding),
    ExitCheck("signs", Reason.EXIT_SIGNS, judge_signs),
)


def why_it_ends(case: ExitReview) -> Note | None:
    """The first rule that ends the position; None when it stays."""
    for rule in EXIT_RULES:
        if message := rule.judge(case):
            return Note(rule.reason, f"{case.held.symbol}: close the {case.held.words}: {message}", case.held.symbol)
    return None
