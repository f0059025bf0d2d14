"""What goes wrong in a simulation: kinds of faults, how often each strikes, and one seeded plan that deals them out.

Every kind draws from a generator of its own, so that a new kind changes nothing about the others. A seed does not use
all kinds: some faults hide behind others, so each seed has its own selection and its own heaviness of weather.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Kind(StrEnum):
    """One thing that goes wrong. The words are those of the printed report."""

    # an order, a cancel, a transfer, a setting
    REQUEST_LOST = "request lost"
    REPLY_LOST = "reply lost"
    REQUEST_LATE = "request late, caller gave up"
    REPLY_LATE = "reply late"
    REQUEST_TWICE = "request delivered twice"
    REPLY_GARBLED = "reply about something else"
    REPLY_EARLY = "reply before matching"
    ODD_ERROR = "error of no known kind"
    SLOW_WIRE = "slow wire"
    REJECTED = "rejected"
    ADMISSION = "not admitted"
    CANCEL_RACE = "filled while being cancelled"
    CANCEL_BLIND = "cancel does not find the order"
    # a question
    READ_FAILED = "read failed"
    READ_LIMITED = "read rate-limited"
    READ_SLOW = "read slow"
    READ_HUNG = "read hung"
    LAG_ORDER = "lag of an order"
    LAG_OPEN = "lag of open orders"
    LAG_HISTORY = "lag of the order history"
    LAG_FILLS = "lag of fills"
    LAG_PAYMENTS = "lag of payments"
    LAG_ACCOUNT = "lag of the account"
    BLIND = "one endpoint behind by minutes"
    # what is read
    QUOTE_STALE = "quote stale"
    QUOTE_MISSING = "quote missing"
    QUOTE_BAD = "quote NaN, negative or crossed"
    QUOTE_OFF = "quote off"
    BOOK_EMPTY = "book empty"
    BOOK_BAD = "book NaN or unsorted"
    FUNDING_BAD = "funding missing or NaN"
    INSTRUMENT_MISSING = "instrument missing"
    # the exchange
    HALT = "halt"
    DELISTING = "delisting"
    FILTER_CHANGE = "filter changed"
    BRACKET_CHANGE = "brackets changed"
    DELEVERAGING = "deleveraged"
    FOREIGN_ORDER = "foreign order"
    FOREIGN_TRADE = "foreign trade"
    TWIN_ORDER = "order of a twin"
    DEPOSIT = "deposit or withdrawal"
    # the machine
    CLOCK_JUMP = "clock jumped"
    CLOCK_SKEW = "clock skewed at start"
    JOURNAL_FULL = "journal full"
    JOURNAL_BROKEN = "journal I/O error"
    CRASH_CALL = "crash around a call"
    CRASH_COMMIT = "crash around a commit"
    CRASH_STEP = "crash at an await"
    SECOND_DAEMON = "second daemon"
    TURN_CANCELLED = "turn cancelled"
    # people
    KILL = "kill switch"
    KILL_IN_TURN = "kill switch during a turn"
    CONFIG_EDIT = "configuration edited"
    RESTART = "restart"
    # HTTP: only at the wire. New kinds go to the end, so that seeds select the older ones as they always did.
    NO_CONNECTION = "no connection"
    RESET_BEFORE = "reset before the request was taken"
    RESET_AFTER = "reset after the request was taken"
    REPLY_TRUNCATED = "reply cut off"
    REPLY_HTML = "reply is a web page"
    REPLY_EMPTY = "reply without a body"
    REPLY_BARE = "reply is {}"
    REPLY_TWICE = "reply said twice"
    STATUS_408 = "HTTP 408 or 409"
    STATUS_418 = "HTTP 418"
    STATUS_REFUSED = "HTTP 403, 429 or 451"
    STATUS_5XX = "HTTP 5xx"
    CODE_UNKNOWN = "code of no table"
    READ_REFUSED = "read refused"
    READ_UNREADABLE = "read cut off, empty, {}, a page, 408, 5xx or of no table"
    # Only where a simulation is asked for with a rename.
    CONVERSION = "token converted into another"
    # From here on each kind is selected by a generator of its own; a line belongs below its subject.
    # guard: exits, leverage, ownership
    # restore: older journals, other writers
    CASH_VANISHES = "cash vanishes without a record"
    # facts: instruments, filters, prices, funding
    BAD_ROW = "one row of a list cannot be read"
    SYMBOL_REFUSED = "one symbol refused where it is asked for alone"
    # exchange: rows, states, modes
    SYMBOL_REMOVED = "symbol removed wholly"
    RARE_ORDER_STATE = "order in a rare state"
    SYMBOL_BLIND = "one symbol's questions fail"
    LISTS_BLIND = "questions about every symbol fail"
    BRACKET_BELOW_POSITION = "brackets below a position's leverage"
    MODE_BY_HAND = "mode, margin or leverage changed by hand"
    FUNDING_INTERVAL = "funding interval changed"
    # start: checks at the start, limits of requests
    # switch: levels, full disks, hung turns
    SWITCH_JOURNAL_FULL = "kill switch while the journal is full"
    SWITCH_JOURNAL_LOCKED = "kill switch while the journal is locked"
    SWITCH_VENUE_DARK = "kill switch while the venue is dark"
    SWITCH_TURN_HUNG = "kill switch while a turn hangs"
    SWITCH_AT_START = "kill switch before the first turn"
    FLATTEN_CALLED_OFF = "flatten called off"
    CANCEL_OVER_STOPS = "cancel while stops rest"
    # positions
    LEVERAGE_BY_HAND = "leverage raised by hand"
    MARGIN_TAKEN = "margin taken by hand"
    # proven: projections, input files
    # restore: the journal itself
    JOURNAL_RESTORED = "journal replaced by an earlier copy"
    JOURNAL_LOST = "journal lost"
    PROJECTION_FLIPPED = "bit flipped in a projection between two lives"
    # start: checks, silence the venue asks for
    CHECK_UNANSWERED = "check at the start without a proper answer"
    SILENCE_ASKED = "ban with a long Retry-After"
    # writers under our ids
    ID_USED_AGAIN = "stranger executes under an id of ours"
    # the exchange, later
    REMOVED_WHILE_DOWN = "symbol removed wholly between two lives"
    FEES_CHANGED = "fee rates of the account changed"
    BRACKETS_BY_SIZE = "brackets tightened by size"
    HEDGE_MODE_HELD = "hedge mode with both sides held"
    LONG_DARK = "venue dark for a quarter of an hour and longer"
    STOP_WITHDRAWN = "stop withdrawn by hand"
    LIST_STALE = "list of open orders stands still"
    # the journal, later
    JOURNAL_LOCKED_LONG = "journal locked for minutes while a level is in force"
    # start, later
    START_REFUSED = "account in a mode that refuses the start"
    # lists, later
    ORDER_STALE = "orders' own endpoint stands still"
    # notices
    NOTICES_FAIL = "service of notices hangs, refuses, or does not say that it took a message"
    # the journal, later still
    PART_FLIPPED = "bit flipped in a part of a record between two lives"
    # two venues, later
    HALF_DARK = "one of two venues dark"
    # streams
    STREAM_SILENT = "stream fresh and silent"
    STREAM_STALE = "stream speaks of before"
    STREAM_SHUFFLED = "stream out of order and doubled"
    STREAM_GAPPED = "stream leaves something out"
    STREAM_DOWN = "stream down, key expired"
    STREAM_STORM = "stream speaks without end"
    STREAM_LIES = "stream lies about a price or a fill"
    # options of the playbook
    SERIES_BROKEN = "file of a series away, spoiled or old"
    # others, later
    TRADE_HIDDEN = "trade by hand that no holding shows"
    # start, later still
    MODE_IN_LIFE = "account put into a mode that refuses the start while the bot runs"
    # others, later still
    ORDER_HIDDEN = "orders by hand that rest for hours and no holding shows"
    TRADE_UNREADABLE = "trade by hand of hours ago with a row that cannot be read at the start"


# How often each strikes when asked, in a seed of ordinary weather.
RATES: Mapping[Kind, float] = {
    Kind.REQUEST_LOST: 0.06,
    Kind.REPLY_LOST: 0.06,
    Kind.REQUEST_LATE: 0.06,
    Kind.REPLY_LATE: 0.05,
    Kind.REQUEST_TWICE: 0.04,
    Kind.REPLY_GARBLED: 0.03,
    Kind.REPLY_EARLY: 0.08,
    Kind.ODD_ERROR: 0.03,
    Kind.SLOW_WIRE: 0.10,
    Kind.REJECTED: 0.08,
    Kind.ADMISSION: 0.03,
    Kind.CANCEL_RACE: 0.15,
    Kind.CANCEL_BLIND: 0.10,
    Kind.READ_FAILED: 0.03,
    Kind.READ_LIMITED: 0.01,
    Kind.READ_SLOW: 0.03,
    Kind.READ_HUNG: 0.004,
    Kind.LAG_ORDER: 0.25,
    Kind.LAG_OPEN: 0.25,
    Kind.LAG_HISTORY: 0.25,
    Kind.LAG_FILLS: 0.25,
    Kind.LAG_PAYMENTS: 0.25,
    Kind.LAG_ACCOUNT: 0.10,
    Kind.BLIND: 0.5,
    Kind.QUOTE_STALE: 0.02,
    Kind.QUOTE_MISSING: 0.02,
    Kind.QUOTE_BAD: 0.02,
    Kind.QUOTE_OFF: 0.01,
    Kind.BOOK_EMPTY: 0.03,
    Kind.BOOK_BAD: 0.03,
    Kind.FUNDING_BAD: 0.02,
    Kind.INSTRUMENT_MISSING: 0.02,
    Kind.HALT: 0.05,
    Kind.DELISTING: 0.004,
    Kind.FILTER_CHANGE: 0.03,
    Kind.BRACKET_CHANGE: 0.02,
    Kind.DELEVERAGING: 0.03,
    Kind.FOREIGN_ORDER: 0.06,
    Kind.FOREIGN_TRADE: 0.02,
    Kind.TWIN_ORDER: 0.01,
    Kind.DEPOSIT: 0.02,
    Kind.CLOCK_JUMP: 0.04,
    Kind.CLOCK_SKEW: 0.3,
    Kind.JOURNAL_FULL: 0.002,
    Kind.JOURNAL_BROKEN: 0.002,
    Kind.CRASH_CALL: 0.25,
    Kind.CRASH_COMMIT: 0.25,
    Kind.CRASH_STEP: 0.25,
    Kind.SECOND_DAEMON: 0.05,
    Kind.TURN_CANCELLED: 0.05,
    Kind.KILL: 0.02,
    Kind.KILL_IN_TURN: 0.015,
    Kind.CONFIG_EDIT: 0.05,
    Kind.RESTART: 0.05,
    Kind.NO_CONNECTION: 0.02,
    Kind.RESET_BEFORE: 0.03,
    Kind.RESET_AFTER: 0.03,
    Kind.REPLY_TRUNCATED: 0.025,
    Kind.REPLY_HTML: 0.025,
    Kind.REPLY_EMPTY: 0.02,
    Kind.REPLY_BARE: 0.02,
    Kind.REPLY_TWICE: 0.04,
    Kind.STATUS_408: 0.02,
    Kind.STATUS_418: 0.005,
    Kind.STATUS_REFUSED: 0.02,
    Kind.STATUS_5XX: 0.04,
    Kind.CODE_UNKNOWN: 0.02,
    Kind.READ_REFUSED: 0.004,
    Kind.READ_UNREADABLE: 0.008,
    Kind.CONVERSION: 0.03,
}
RATES_OF_LATER_KINDS: Mapping[Kind, float] = {
    # guard
    Kind.LEVERAGE_BY_HAND: 0.03,
    Kind.MARGIN_TAKEN: 0.03,
    # restore
    Kind.CASH_VANISHES: 0.004,
    # facts
    Kind.BAD_ROW: 0.03,
    Kind.SYMBOL_REFUSED: 0.01,
    # exchange
    Kind.SYMBOL_REMOVED: 0.003,
    Kind.RARE_ORDER_STATE: 0.05,
    Kind.SYMBOL_BLIND: 0.01,
    Kind.LISTS_BLIND: 0.01,
    Kind.BRACKET_BELOW_POSITION: 0.02,
    Kind.MODE_BY_HAND: 0.03,
    Kind.FUNDING_INTERVAL: 0.02,
    # start
    # switch
    Kind.SWITCH_JOURNAL_FULL: 0.01,
    Kind.SWITCH_JOURNAL_LOCKED: 0.01,
    Kind.SWITCH_VENUE_DARK: 0.01,
    Kind.SWITCH_TURN_HUNG: 0.01,
    Kind.SWITCH_AT_START: 0.1,
    Kind.FLATTEN_CALLED_OFF: 0.01,
    Kind.CANCEL_OVER_STOPS: 0.03,
    # proven
    # the journal itself
    Kind.JOURNAL_RESTORED: 0.04,
    Kind.JOURNAL_LOST: 0.015,
    Kind.PROJECTION_FLIPPED: 0.15,
    # start
    Kind.CHECK_UNANSWERED: 0.2,
    Kind.SILENCE_ASKED: 0.0005,
    # writers under our ids
    Kind.ID_USED_AGAIN: 0.006,
    # the exchange, later
    Kind.REMOVED_WHILE_DOWN: 0.03,
    Kind.FEES_CHANGED: 0.02,
    Kind.BRACKETS_BY_SIZE: 0.02,
    Kind.HEDGE_MODE_HELD: 0.005,
    Kind.LONG_DARK: 0.004,
    Kind.STOP_WITHDRAWN: 0.02,
    Kind.LIST_STALE: 0.02,
    Kind.JOURNAL_LOCKED_LONG: 0.01,
    Kind.START_REFUSED: 0.1,
    Kind.ORDER_STALE: 0.02,
    Kind.NOTICES_FAIL: 0.2,
    Kind.PART_FLIPPED: 0.2,
    Kind.HALF_DARK: 0.002,
    # streams, per message
    Kind.STREAM_SILENT: 0.01,
    Kind.STREAM_STALE: 0.03,
    Kind.STREAM_SHUFFLED: 0.05,
    Kind.STREAM_GAPPED: 0.05,
    Kind.STREAM_DOWN: 0.01,
    Kind.STREAM_STORM: 0.005,
    Kind.STREAM_LIES: 0.01,
    # options of the playbook
    Kind.SERIES_BROKEN: 0.1,
    Kind.TRADE_HIDDEN: 0.01,
    Kind.ORDER_HIDDEN: 0.05,
    Kind.TRADE_UNREADABLE: 0.05,
    Kind.MODE_IN_LIFE: 0.005,
}
STREAM_KINDS = frozenset(kind for kind in Kind if kind.name.startswith("STREAM_"))
# At the wire one question of the bot is several requests, and a cycle asks about sixty: each fails the less often.
AT_THE_WIRE: Mapping[Kind, float] = {
    Kind.READ_FAILED: 0.01,
    Kind.READ_LIMITED: 0.002,
    Kind.READ_SLOW: 0.003,
    Kind.READ_HUNG: 0.0005,
    Kind.READ_REFUSED: 0.001,
    Kind.READ_UNREADABLE: 0.002,
    Kind.QUOTE_STALE: 0.004,
    Kind.QUOTE_MISSING: 0.004,
    Kind.QUOTE_BAD: 0.004,
    Kind.QUOTE_OFF: 0.002,
    Kind.BOOK_EMPTY: 0.01,
    Kind.BOOK_BAD: 0.01,
    Kind.FUNDING_BAD: 0.004,
    Kind.INSTRUMENT_MISSING: 0.005,
    Kind.NO_CONNECTION: 0.01,
}
READS = tuple(Kind)[tuple(Kind).index(Kind.READ_FAILED) : tuple(Kind).index(Kind.LAG_ORDER)]
# Asked once a life, and none the more often in heavy weather: a bot that never lives sees nothing else.
PER_LIFE = frozenset(
    {
        Kind.CRASH_CALL,
        Kind.CRASH_COMMIT,
        Kind.CRASH_STEP,
        Kind.CLOCK_SKEW,
        Kind.BLIND,
        Kind.PROJECTION_FLIPPED,
        Kind.PART_FLIPPED,
        Kind.CHECK_UNANSWERED,
    }
)
HEAVINESS = (0.5, 1.0, 2.0, 4.0)
SELECTED = 0.7  # part of the kinds that a seed uses


class FaultPlan:
    """The faults of one seed. `counts` says how often each kind has struck.

    Args:
        seed: the same seed, asked the same questions in the same order, gives the same answers.
        only: the kinds to use, instead of a selection drawn from the seed.
        heaviness: a factor of all rates, instead of one drawn from the seed.
        rates: what differs from `RATES`.
    """

    def __init__(
        self,
        seed: int,
        *,
        only: Collection[Kind] | None = None,
        heaviness: float | None = None,
        rates: Mapping[Kind, float] | None = None,
    ) -> None:
        chance = Random(f"{seed}/plan")
        drawn = chance.choice(HEAVINESS)
        self.heaviness = drawn if heaviness is None else heaviness
        selection = [
            kind
            for kind in Kind
            if (Random(f"{seed}/{kind}/selected") if kind in RATES_OF_LATER_KINDS else chance).random() < SELECTED
        ]
        self.kinds = frozenset(selection if only is None else only)
        self.counts: Counter[Kind] = Counter()
        self.is_armed = True
        self._rates = {**RATES, **RATES_OF_LATER_KINDS, **(rates or {})}
        self._chances = {kind: Random(f"{seed}/{kind}") for kind in Kind}

    def strikes(self, kind: Kind) -> bool:
        """Whether this fault happens now; it is counted if so."""
        drawn, factor = self._chances[kind].random(), 1.0 if kind in PER_LIFE else self.heaviness
        if not self.is_armed or kind not in self.kinds or drawn >= min(0.9, self._rates[kind] * factor):
            return False
        self.counts[kind] += 1
        return True

    def choose(self, kind: Kind, options: Sequence[T]) -> T:
        """One of the options, by the generator of this kind."""
        return self._chances[kind].choice(options)

    def between(self, kind: Kind, low: float, high: float) -> float:
        return self._chances[kind].uniform(low, high)

    def count(self, kind: Kind, low: int, high: int) -> int:
        return self._chances[kind].randint(low, high)
