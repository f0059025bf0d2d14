"""The closed set of reasons: why something was shrunk, waited for, skipped or refused.

The text below each member says what it means and, after "To do:", what an operator does about it. `make reference`
writes `docs/reasons.md` from these texts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Reason(StrEnum):
    """The reason of a note; below each member stands what it means."""

    # decisions of the playbook
    CONDITION_CHANGED = "condition_changed"
    """The market is read differently than before, after the new reading lasted long enough. To do: Nothing; `sectorbot
    why` shows the signals."""
    CONDITION_HELD = "condition_held"
    """Another reading was seen but is not believed yet, too little evidence is there, or the operator has set the
    condition. To do: Nothing; wait, or see which signals are missing."""
    SIGNAL_MISSING = "signal_missing"
    """A signal could not be computed, so it counts for nothing and confidence is lower. To do: Configure its source, or
    see why the source does not answer."""
    SIGNALS_ELSEWHERE = "signals_elsewhere"
    """Signals are read from the real market and orders go to the test network; the words say how far their prices are
    apart. To do: Nothing; where they are far apart, expect executions that the signals do not explain.
    `venue.signals_from` sets it."""
    CONFIDENCE_LOW = "confidence_low"
    """The evidence for an action is too weak. To do: Nothing; lower `playbook.regime.enter` only on purpose."""
    DWELL = "dwell"
    """The condition is younger than its least life, so a change waits. To do: Nothing; `playbook.regime.dwell_hours`
    sets it."""
    NEUTRAL_RETURN = "neutral_return"
    """The condition has been neutral for long enough that the book returns to the neutral table, or would, were the
    evidence of a downtrend there. To do: Nothing; `playbook.regime.neutral_return_hours` sets the time, 0 switches it
    off."""
    CAMPAIGN_STARTED = "campaign_started"
    """A rotation to another stance began. To do: Nothing; its legs are in `sectorbot plan`."""
    CAMPAIGN_DONE = "campaign_done"
    """A rotation reached its target. To do: Nothing."""
    CAMPAIGN_REVERSED = "campaign_reversed"
    """The stance changed while a rotation was under way; it ends and the new one starts from what is held. To do:
    Nothing; frequent reversals ask for a longer `playbook.regime.dwell_hours`."""
    TRANCHE_STARTED = "tranche_started"
    """The next step of a rotation began. To do: Nothing."""
    TRANCHE_WAITS = "tranche_waits"
    """The next step is not due yet. To do: Nothing; `playbook.rotation.tranche_interval_minutes` sets the pause."""
    SALE_CAPPED = "sale_capped"
    """A tranche would have caught up more sales than the cap allows; later tranches sell the rest. To do: Nothing; see
    why the tranches before did not sell."""
    PACE = "pace"
    """The phase of a sector made the first tranche larger or smaller, or moved the stop of a long nearer. To do:
    Nothing; `playbook.rotation.by_phase` switches it off."""
    NOTHING_TO_DO = "nothing_to_do"
    """What is held is what is wanted. To do: Nothing."""
    DRIFT_WITHIN_BUFFER = "drift_within_buffer"
    """Sleeves are off target by less than the buffer, so nothing is traded. To do: Nothing;
    `playbook.allocation.drift_buffer` sets it."""
    TOKEN_DROPPED = "token_dropped"
    """A token is delisted, halted or without a price; its share goes to the others. To do: See the venue's
    announcements; remove it from `sectors.toml` if it stays away."""
    TOKEN_RENAMED = "token_renamed"
    """A token goes by another name now: a holding under the former one is counted as what it becomes, or the exchange
    has converted it, or what was planned under the former name is planned anew. To do: Nothing while the exchange
    converts; convert by hand where it does not."""
    LEVERAGE_CUT = "leverage_cut"
    """A leverage above the cap was wanted and was lowered to it. To do: Nothing, or raise `risk.position_leverage_max`
    on purpose."""
    HEDGE_CUT = "hedge_cut"
    """The hedge is smaller than wanted, because margin or the venue's sizes allow no more. To do: Move margin to the
    perp wallet if the full hedge is wanted."""
    HEDGE_OFF = "hedge_off"
    """No hedge is opened: it is switched off, or no perp can carry it. To do: Set `playbook.hedging.is_on`, or name a
    hedge perp in `sectors.toml`."""
    BRIDGE_SHORT = "bridge_short"
    """The bridge cannot pay for the whole purchase, so less is bought now. To do: Raise the reserve or choose another
    `playbook.rotation.bridge`."""
    CASH_SHORT = "cash_short"
    """Less free cash is there than the plan needs. To do: Wait for the sales to fill, or add quote money."""
    TRANSFER_NEEDED = "transfer_needed"
    """Quote money has to move between the spot and the perp wallet. To do: Nothing where the bot may transfer; else
    move the amount it names."""
    BELOW_MINIMUM = "below_minimum"
    """The amount is smaller than the venue accepts, so it is left as it is. To do: Nothing; a larger book makes it
    disappear."""
    BOOK_SMALL = "book_small"
    """The book is too small to hold all tokens of a sector: the most traded ones are held. To do: Nothing; a larger
    book or fewer tokens make it disappear, `sectorbot config check` says from where on."""
    FUNDING_DEAR = "funding_dear"
    """Holding the position would cost more funding than its budget. To do: Nothing; it is tried again when funding
    falls."""
    ENTRY_WAITS = "entry_waits"
    """A purchase waits for a better price until its deadline, or the next slice of a twap waits for its time. To do:
    Nothing; `playbook.entries.wait`, `playbook.orders.increase_style` and `playbook.orders.reduce_style` switch it
    off."""
    LEG_GIVEN_UP = "leg_given_up"
    """A leg was refused, or did not fill, for so long that the rotation goes on without it. To do: See `sectorbot why`
    for the refusals; drift rebalancing makes up for it."""
    LEG_REFUSED = "leg_refused"
    """The exchange refused a leg for a reason that will not pass by itself (mode, permission, leverage); it is not
    asked again. To do: The words have the exchange's own; put it right there. Drift rebalancing makes up for the
    leg."""
    HEDGE_LATE = "hedge_late"
    """A hedge could not be had within ten minutes; the sale goes on without it. To do: See `sectorbot why` for what
    refuses the hedge."""
    HEDGE_STOPPED = "hedge_stopped"
    """The resting stop of a hedge was reached and has closed it; the spot it covered is open. To do: Look at the
    market; the sector may be hedged again after a day."""
    HEDGE_PAUSED = "hedge_paused"
    """No hedge of the sector is opened, because a stop closed one lately. To do: Nothing; the pause lasts a day."""
    PHASE_WAITS = "phase_waits"
    """An earlier phase of the tranche is not finished, so this one has to wait. To do: See what holds the earlier
    phase: an order in doubt or a refusal."""
    EXIT_STOP = "exit_stop"
    """The stop of a position was reached; it is being closed. To do: Nothing."""
    EXIT_TARGET = "exit_target"
    """A profit target or the trailing stop was reached; that part is being closed. To do: Nothing."""
    EXIT_TIME = "exit_time"
    """A position is older than its time stop; it is being closed. To do: Nothing; `playbook.tactical.hours` sets it."""
    EXIT_FUNDING = "exit_funding"
    """A position has paid its funding budget; it is being closed. To do: Nothing; `playbook.tactical.funding_budget`
    sets it."""
    EXIT_SIGNS = "exit_signs"
    """The signs that end a rotation showed: one forbids new longs, two end the stance; mirrored, they do the same to a
    speculative short. To do: Nothing; `sectorbot why` names the signs."""
    PERP_TAKEN = "perp_taken"
    """An account has one net position per perp: it hedges, or is kept to hedge, or carries another position, so no
    speculative short or scalp goes there. To do: Name another perp under the sector's `tactical` in `sectors.toml`."""
    SCALP_BUDGET = "scalp_budget"
    """The day's number of scalps is used up, or what they lost and another one may lose passes the day's budget. To do:
    Nothing; scalps go on after 00:00 UTC."""
    POSITION_UNOWNED = "position_unowned"
    """The venue reports a perp position that no plan of the bot knows. To do: Close it, or leave it to its stop;
    `playbook.exits.unowned_position` decides what the guard does."""
    POSITION_UNGUARDED = "position_unguarded"
    """A perp position has no full-size stop inside its liquidation price; entries stop. To do: See the note for why;
    close the position or place a stop by hand."""
    LEVERAGE_DIFFERS = "leverage_differs"
    """The venue reports another leverage of a position than was set, or cross margin; entries stop. The bot sets the
    leverage back where the venue takes that. To do: Set it right at the venue or close the position; the stop is kept
    inside the liquidation price that the venue reports."""
    HEDGE_OVER_SPOT = "hedge_over_spot"
    """A hedge became larger than the spot it covers; it is being shrunk. To do: Nothing; if it repeats, look for spot
    that was sold by hand."""
    LIQUIDATION_NEAR = "liquidation_near"
    """A position came near its liquidation price; margin is added or it is shrunk. To do: Keep margin in the perp
    wallet; see `sectorbot positions`."""
    # refusals of the gate
    KILL_SWITCH = "kill_switch"
    """The kill switch does not let this order through. To do: When the cause is gone: `sectorbot resume --reason
    TEXT`."""
    NOT_RECONCILED = "not_reconciled"
    """Journal and venue do not agree, so only reducing orders pass. To do: Read the notes of the cycle; settle or
    adjust what differs."""
    INSTRUMENT_LOCKED = "instrument_locked"
    """The instrument is locked, or an order on it is in doubt; only reducing orders pass. To do: `sectorbot status`
    says why; once it is explained, `sectorbot resume --accept-mismatch --reason …` unlocks it."""
    INSTRUMENT_UNKNOWN = "instrument_unknown"
    """The venue does not list the instrument, or a working order on it cannot be valued. To do: Check the symbol in
    `sectors.toml`; cancel foreign orders on unlisted symbols."""
    INSTRUMENT_INACTIVE = "instrument_inactive"
    """The venue has halted trading in it. To do: Wait, or remove it from `sectors.toml`."""
    INTENT_IN_FLIGHT = "intent_in_flight"
    """The same intent is already at work, or stands twice in the batch. To do: Nothing; it prevents a double order."""
    SIZE_INVALID = "size_invalid"
    """The size is not a positive multiple of the step, is below a minimum, or would reduce more than is held. To do:
    Report it if it repeats: the planner should not ask for it."""
    SIZE_ABOVE_MAX = "size_above_max"
    """The size is above the largest the venue takes in one order. To do: Lower the order sizes of the plan."""
    PRICE_BAD = "price_bad"
    """There is no sound price: missing, NaN, zero, negative or crossed quote, or an unusable limit. To do: See the
    venue's market; nothing is traded on it until it is sound."""
    PRICE_STALE = "price_stale"
    """The quote or the book is too old, or from the future. To do: See network and clock; 15 s is the limit."""
    BALANCE_STALE = "balance_stale"
    """The account reading is too old. To do: See why the venue answers late; 30 s is the limit."""
    CLOCK_SKEW = "clock_skew"
    """Our clock and the venue's differ too much. To do: Synchronise the clock of the machine."""
    PRICE_COLLAR = "price_collar"
    """The worst price is too far beyond mark or index. To do: Usually a thin or broken market; widen `risk.collar_bps`
    only on purpose."""
    MARK_INDEX_APART = "mark_index_apart"
    """Mark and index of the perp differ too much to trust either. To do: Wait until the venue's prices agree."""
    BOOK_EMPTY = "book_empty"
    """Nobody quotes the side the order would take, or the book is unknown. To do: Wait; drop tokens that stay without a
    book."""
    SLIPPAGE = "slippage"
    """Walking the book, the order would fill too far from mid. To do: Smaller orders or a more liquid token;
    `risk.slippage_max_bps` sets it."""
    PARTICIPATION = "participation"
    """The order would take too large a part of the visible depth. To do: Smaller orders or a more liquid token;
    `risk.participation_max` sets it."""
    ORDER_NOTIONAL = "order_notional"
    """The order is worth more than one order may be. To do: Lower the plan's order sizes or raise
    `risk.order_notional_max_quote` and `risk.order_share_max`."""
    GROSS_EXPOSURE = "gross_exposure"
    """Spot and perps together could become too large against equity. To do: Wait for working orders to end, or reduce;
    `risk.gross_max` sets it."""
    NET_EXPOSURE = "net_exposure"
    """Spot plus signed perps could become too large against equity. To do: Reduce or hedge; `risk.net_max` sets it."""
    ASSET_EXPOSURE = "asset_exposure"
    """One token could become too large a part of equity. To do: Spread over more tokens; `risk.asset_max` sets it."""
    SECTOR_EXPOSURE = "sector_exposure"
    """One sector could become too large a part of equity. To do: Lower the target or raise `risk.sector_max`."""
    STRESS_LOSS = "stress_loss"
    """One of the shocks of the stress table could cost too large a part of equity; the message names it. To do: Reduce
    or hedge; `plan` and `status` show the table, `risk.stress_loss_max` sets the limit."""
    ACCOUNT_LEVERAGE = "account_leverage"
    """All perps together could become too large against equity. To do: Reduce perps; `risk.account_leverage_max` sets
    it."""
    POSITION_LEVERAGE = "position_leverage"
    """The leverage of the position is not said or is above the cap. To do: Lower it; `risk.position_leverage_max` sets
    the cap."""
    MARGIN_USE = "margin_use"
    """Too much of the perp wallet would be locked as margin. To do: Add margin or open less; `risk.margin_use_max` sets
    it."""
    FUTURES_BUDGET = "futures_budget"
    """Too much of the book would be locked as margin. To do: Open less; `risk.futures_budget` sets it."""
    LIQUIDATION_DISTANCE = "liquidation_distance"
    """The position would stand too near its liquidation price. To do: Lower leverage; `risk.liquidation_distance_min`
    sets it."""
    HEDGE_EXCEEDS_SPOT = "hedge_exceeds_spot"
    """The hedges of a sector could exceed the spot they cover, once all sales of it have filled. To do: Nothing; the
    next cycle sizes the hedge to what is left."""
    FUNDING_BUDGET = "funding_budget"
    """The position would pay too much funding, or its funding is unknown. To do: Wait until funding falls;
    `risk.funding_rate_max_annual` and `risk.funding_cost_max_day` set it."""
    BALANCE_SHORT = "balance_short"
    """The tokens to sell or the cash to buy with are not there, working orders counted. To do: Wait for sales to fill,
    or add quote money."""
    MARGIN_SHORT = "margin_short"
    """The free margin does not carry the position. To do: Move quote money to the perp wallet."""
    EXITS_MISSING = "exits_missing"
    """A tactical or leveraged entry has no exits that can work, so it is not opened. To do: Report it: the planner
    attaches exits to every such entry."""
    TURNOVER = "turnover"
    """The day's traded value would pass its limit. To do: Wait until 00:00 UTC; `risk.turnover_max` sets it."""
    ORDER_RATE = "order_rate"
    """Too many orders within a minute or a day. To do: Nothing; it goes on when the time has passed.
    `risk.orders_per_minute_max` and `risk.orders_per_day_max` set it."""
    REPEATED_EXECUTION = "repeated_execution"
    """Suspiciously many fills within a minute, or orders of one instrument and direction within an hour; entries stop.
    To do: Look at `sectorbot orders`; 200 fills a minute and 40 orders an hour are the limits."""
    PARENT_EXCEEDED = "parent_exceeded"
    """Orders of a leg would add up to more than the leg has left. To do: Nothing; it prevents overshooting. Report it
    if it repeats."""
    DAILY_LOSS = "daily_loss"
    """Equity fell too far since 00:00 UTC; only hedges and reductions pass. To do: Look before you raise
    `risk.daily_loss_max`; it ends with the day."""
    DRAWDOWN = "drawdown"
    """Equity fell too far from its highest; only hedges and reductions pass. To do: Look; `status` says until when. The
    peak begins anew after `risk.drawdown_cooldown_days`, or at once with `sectorbot resume --rebase-peak --reason
    …`."""
    EQUITY_UNKNOWN = "equity_unknown"
    """A position, cash, a held asset, or one of a sector cannot be read, so neither daily loss nor drawdown is known.
    Nothing is opened in any instrument meanwhile, however long that is; hedges, reductions and guards go on, and
    purchases of other instruments that rest stay. To do: Nothing if it passes within minutes; else look at the row at
    the venue and tell the maintainers, or close or convert that holding there by hand."""
    DRAWDOWN_OVER = "drawdown_over"
    """Entries that a drawdown had stopped go on: equity is back at its peak, or the cool-down is over and the peak
    began anew. To do: Nothing; `risk.drawdown_cooldown_days` sets the cool-down."""
    REJECT_RATE = "reject_rate"
    """The venue rejected suspiciously many orders within ten minutes; entries stop. To do: Read the rejections in
    `sectorbot orders`; more than ten are suspicious."""
    VENUE_SLOW = "venue_slow"
    """The venue takes too long to answer; entries stop. To do: Look at network and venue; a median of 5 s is the
    limit."""
    READINGS_LOST = "readings_lost"
    """Too many prices are missing, or turns came to nothing and this first good one only looks. To do: Nothing if it
    passes; else see what the venue does not answer."""
    CANARY_SIZE = "canary_size"
    """No order has filled since the start, so orders are small; this one was not. To do: Nothing; `risk.canary_quote`
    sets the size."""
    CURRENCY_MISMATCH = "currency_mismatch"
    """The instrument is paid in or settles in another currency than the account counts. To do: Take it out of
    `sectors.toml`, or set `universe.quote`."""
    SELF_CROSS = "self_cross"
    """The order could trade with a working order of the same account. To do: Nothing; it goes on when that order has
    ended."""
    RESTS_UNATTENDED = "rests_unattended"
    """The entry into a perp could rest at the venue, where it would outlive the bot. To do: Report it: entries are made
    to execute at once or not at all."""
    FEE_BUDGET = "fee_budget"
    """The day's fees could pass their limit; entries stop. To do: Look at `sectorbot orders` for what trades so often;
    `risk.fees_max_day` sets it."""
    FEES_UNKNOWN = "fees_unknown"
    """Fills paid fees in an asset that no market of the exchange prices; entries stop above ten a day. To do: The note
    names the asset; pay fees in the quote currency."""
    ACCOUNT_SETTING = "account_setting"
    """A check of the account or its key failed: hedge mode, multi-assets mode, a permission, portfolio margin; or it
    got no answer for two hours. Entries stop, exits go on. To do: The words say what to change at the exchange; entries
    go on within a minute of it."""
    # execution and reconciliation
    ORDER_REJECTED = "order_rejected"
    """The venue said no; nothing happened. To do: The words carry the venue's message; the leg is tried again within
    its attempts."""
    ORDER_IN_DOUBT = "order_in_doubt"
    """It is not known whether the venue took the order; its instrument waits. To do: Nothing; it is settled by
    evidence. Never send it again by hand."""
    DOUBT_SETTLED = "doubt_settled"
    """Evidence has shown what became of an order in doubt. To do: Nothing."""
    DOUBT_OLD = "doubt_old"
    """An order has been in doubt for too long; its instrument is frozen, and after five minutes no entry passes
    anywhere. To do: Look it up at the venue by its client id and tell the venue's support if it shows nothing."""
    ATTEMPTS_SPENT = "attempts_spent"
    """The attempts for a slice are used up; the leg waits for the next cycle. To do: See the rejections before it; an
    intent has three attempts a cycle."""
    EXIT_UNFILLED = "exit_unfilled"
    """Six or more orders on end that close a position, within a day, executed nothing. The tries go on; the position
    keeps its stop. To do: See whether the market trades (`status`, the exchange's page), and close it there by hand if
    it does."""
    LATE_FACT = "late_fact"
    """The venue reported a fill or an open order after the order had ended; it was counted. To do: Nothing, but tell
    the venue if it is frequent."""
    FOREIGN_ORDER = "foreign_order"
    """An order at the venue is not ours; it is reported and counted, never touched. To do: Cancel it by hand, or set
    `execution.foreign_order_policy`."""
    ANOTHER_WRITER = "another_writer"
    """An order or an execution under this bot's ids contradicts the journal, or is not in it: the journal is a restored
    copy or begun anew, or another bot trades on the account. Entries and the rotation stop, exits go on. To do: Stop
    the other bot if there is one; then `sectorbot resume --accept-mismatch --reason …`."""
    ROW_UNREADABLE = "row_unreadable"
    """A row of an answer of the venue (an order, a position, a balance, a fill, a payment) could not be read. It counts
    in full where it is ours or may be; its instrument may only be reduced. Where equity rests on the row, no other one
    opens anything either (`equity_unknown`). A row of cash, or of a position without a symbol, stops entries and
    withdraws those that rest. To do: Look at the row at the venue; tell the maintainers when the venue has a new
    word."""
    OTHER_SIDE_UNREAD = "other_side_unread"
    """Of two venues one does not answer, and what is held there may belong to the other side: a rotation sells no spot
    while the perps cannot be read, and closes no hedge while spot cannot; a flatten only sells what has no other side.
    Exits go on. To do: Wait until the venue answers, or look there yourself."""
    POSITION_MISMATCH = "position_mismatch"
    """A position differs from what the journal explains; the instrument is locked. To do: Find what moved it (by hand,
    liquidation), then unlock it with `sectorbot resume --accept-mismatch --reason …`."""
    BALANCE_MISMATCH = "balance_mismatch"
    """A balance differs from what the journal explains. To do: Find the deposit, withdrawal or trade, then record an
    adjustment with its reason."""
    CASH_UNEXPLAINED = "cash_unexplained"
    """Cash is missing, the venue lists no payment for it, and within a day it is more than `execution.unexplained_max`
    of equity: entries stop, and the loss breakers see it. To do: Find out where it went; then `sectorbot resume
    --accept-mismatch --reason …`. A withdrawal that the venue does not list is accepted the same way."""
    LIQUIDATED = "liquidated"
    """The venue closed a position for lack of margin. To do: See `sectorbot positions`; lower leverage before going
    on."""
    DELEVERAGED = "deleveraged"
    """The venue closed a position, or part of it, because the other side was liquidated and nobody took it over (ADL).
    To do: Nothing: the plan of the next cycle starts from what is left."""
    DELISTING_SETTLED = "delisting_settled"
    """The venue settled a position because its contract ends. To do: Take the token out of `sectors` when it does not
    come back."""
    VENUE_UNAVAILABLE = "venue_unavailable"
    """The venue does not answer; nothing was done. To do: Nothing; it is tried again. See its status page if it
    lasts."""
    RATE_LIMITED = "rate_limited"
    """The venue asked to slow down; requests wait as long as it said. To do: Nothing; other programs on the same key or
    address share the limit."""


@dataclass(frozen=True, slots=True)
class Note:
    """One remark of a pure function: a reason, a sentence, and the numbers behind it as text."""

    reason: Reason
    words: str
    subject: str = ""
    numbers: Mapping[str, str] = field(default_factory=dict)
