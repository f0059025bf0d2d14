"""What the bot asks, sends, writes and says in conversations with a venue, word for word (docs/order-protocol.md).

`python -m tests.execution.test_transcripts` writes `transcripts.txt` anew; its difference is to be read like any other
change: a question more, an event less or another number is a change of the protocol.
"""

import asyncio
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from bot.domain.instrument import Side
from bot.domain.order import Intent, OrderType, Purpose, TimeInForce
from bot.domain.order_ids import ClientOrderId
from bot.domain.reason import Note
from bot.execution.executor import Outcome
from bot.execution.reconcile import Reconciler, Truth
from bot.journal.journal import DuplicateOrder
from bot.ports import Payment, Rejection, Unavailable, VenueRejected
from bot.risk import Approved
from tests.execution.scripted_venue import PERP, ScriptedVenue
from tests.execution.worlds import ACCOUNT, FAST, SYMBOLS, World, approve, open_world

TRANSCRIPTS = Path(__file__).parent / "transcripts.txt"
QUIET = "wait 8000"

# One line a conversation: its name, and what happens in it. Words of the venue are those of `ScriptedVenue`.
CONVERSATIONS: dict[str, tuple[str, ...]] = {
    "an order fills": ("settle", "buy", "settle"),
    "an order fills in part, the rest follows": ("settle", "buy partial", "buy size=2", "settle"),
    "nothing was there to take": ("settle", "buy expire", "settle"),
    "the venue refuses": ("settle", "buy reject:funds", "buy reject:filter", "buy reject:reduce_only", "settle"),
    "the venue is busy": ("settle", "buy reject:rate_limit reject:rate_limit fill", "settle"),
    "the venue stays busy": ("settle", "buy reject:rate_limit reject:rate_limit reject:rate_limit", "settle"),
    "the clock is off": ("settle", "buy reject:clock fill", "settle"),
    "the reply is lost": ("settle", "buy lost_reply", "settle"),
    "the reply names no order": ("settle", "buy garbage", "settle"),
    "the venue speaks of a duplicate": ("settle", "buy duplicate", "settle"),
    "the request is lost": ("settle", "buy lost_request", "buy", "settle", QUIET, "settle", "buy", "settle"),
    "the request comes late": ("settle", "buy late_fill:3000", "settle", "wait 3000", "settle"),
    "the request comes too late": ("settle", "buy late_fill:6000", "settle", QUIET, "settle"),
    "the venue is slow to show": ("settle", "lag 2000", "buy lost_reply", "settle", "wait 2000", "settle"),
    "an order that should not rest": ("settle", "buy rest", "settle"),
    "a cancel crosses with a fill": ("settle", "cancels filled_first", "buy rest", "settle"),
    "a cancel is refused": ("settle", "cancels refuse", "buy rest", "settle", "wait 130000", "overdue", "settle"),
    "a cancel is lost": ("settle", "cancels lost_request", "buy rest", "settle", "wait 130000", "overdue", "settle"),
    "the reply to a cancel is lost": ("settle", "cancels lost_reply", "buy rest", "settle"),
    "a cancel finds nothing": ("settle", "cancels not_found", "buy rest", "settle"),
    "an order rests and is called back": ("settle", "stop rest", "settle", "cancel", "settle"),
    "an order in doubt is called back": ("settle", "buy lost_request", "cancel", QUIET, "settle"),
    "an order in doubt grows old": (
        "settle",
        "buy late:900000",
        "mute fetch_order",
        "settle",
        "wait 130000",
        "settle",
        "hear fetch_order",
        "settle",
    ),
    "executions cannot be read": ("settle", "mute fetch_fills", "buy", "settle", "hear fetch_fills", "settle"),
    "executions cannot be read in a doubt": (
        "settle",
        "buy lost_request",
        QUIET,
        "mute fetch_fills",
        "settle",
        "hear fetch_fills",
        "settle",
    ),
    "payments cannot be read": (
        "mute fetch_payments",
        "settle",
        "spot USDT 250",
        "settle",
        "hear fetch_payments",
        "settle",
    ),
    "a doubt in a batch holds the rest up": ("settle", "batch lost_request", "settle", QUIET, "settle", "batch"),
    "a hedge waits for what it covers": ("settle", "perp", "release expire", "release", "settle"),
    "leverage is set before an order": ("settle", "perp", "settle"),
    "leverage is refused": ("settle", "refuse set_leverage", "perp", "settle"),
    "nobody knows about the leverage": ("settle", "mute set_leverage", "perp", "settle"),
    "the switch is thrown before": ("settle", "halt", "buy", "settle"),
    "the switch is thrown on the way": ("settle", "halt at admission", "buy", "settle"),
    "the bot was held up between stamp and wire": ("settle", "pause 3000", "buy", "settle"),
    "money comes in": ("settle", "spot USDT 250", "settle"),
    "money comes in and is listed": ("settle", "wait 1000", "paid d1 deposit 250", "settle"),
    "tokens come in and nobody knows whence": ("settle", "spot UNI 5", "settle", "accept", "settle"),
    "tokens go": ("settle", "spot UNI -5", "settle", "settle", "spot UNI 5", "settle"),
    "a position is not what it was": ("settle", "perp", "settle", "position 3", "settle", "accept", "settle"),
    "somebody trades by hand": ("settle", "wait 1000", "hand sell UNI/USDT 7", "settle", "settle"),
    "the venue liquidates": ("settle", "perp", "settle", "forced autoclose-77", "settle"),
    "the venue deleverages": ("settle", "perp", "settle", "forced adl_autoclose", "settle"),
    "the venue settles what ends": ("settle", "perp", "settle", "forced settlement_autoclose-7", "settle"),
    "the insurance fund takes": ("settle", "wait 1000", "perp", "paid i1 insurance_clear -500", "settle"),
    "funding is paid": ("settle", "perp", "settle", "paid f1 funding -1", "wait 300000", "settle"),
    "a foreign order rests": ("settle", "foreign web_1", "settle", "settle"),
    "a foreign order rests and is ignored": ("settle", "policy ignore", "foreign web_1", "settle"),
    "a foreign order rests and halts": ("settle", "policy halt", "foreign web_1", "settle"),
    "another bot with our mark": (
        "settle",
        "twin rests",
        "settle",
        "twin fills",
        "settle",
        "settle",
        "accept",
        "settle",
    ),
    "an order that had ended is open again": ("settle", "buy lost_request", QUIET, "settle", "revive", "settle"),
    "an order that had ended executes": ("settle", "buy lost_request", QUIET, "settle", "revive fill", "settle"),
    "the venue is down": ("settle", "down", "settle", "up", "settle"),
    "fills are told after the report": ("settle", "lag 500", "buy", "settle", "wait 500", "settle"),
    "the same order twice": ("settle", "buy rest id=a", "buy id=a", "settle"),
}


@dataclass
class Conversation:
    """One world, what is scripted next, and the lines of what came of it."""

    world: World
    lines: list[str] = field(default_factory=list)
    is_halted: bool = False
    told_events: int = 0

    async def take(self, step: str) -> None:
        self.lines.append(f"> {step}")
        self.world.venue.calls.clear()
        posts = len(self.world.venue.posts)
        word, *rest = step.split()
        await getattr(self, f"do_{word}")(*rest)
        if self.world.venue.calls:
            self.lines.append(f"  asks {', '.join(self.world.venue.calls)}")
        for post in self.world.venue.posts[posts:]:
            self.lines.append(
                f"  sends {post.side} {post.size} {post.symbol} at {post.price} {post.order_type} {post.time_in_force}"
                f" reduce_only={post.reduce_only} stamp={post.stamp_ms} window={post.receive_window_ms}"
            )
        for event in self.world.journal.reader.load_events(limit=1_000, after_seq=self.told_events):
            self.lines.append(f"  writes {event.kind} {json.dumps(event.payload, sort_keys=True)}")
            self.told_events = event.seq

    def tell(self, notes: tuple[Note, ...]) -> None:
        self.lines += [f"  says {n.reason} | {n.subject} | {n.words} | {json.dumps(n.numbers)}" for n in notes]

    def tell_truth(self, truth: Truth) -> None:
        working = [f"{o.client_id} {o.state} open={o.open_size} absent={o.not_found_count}" for o in truth.working]
        self.lines.append(f"  agreed={truth.is_agreed} locked={sorted(truth.locked)} working={working}")
        self.tell(truth.notes)

    async def act(self, approved: Sequence[Approved]) -> tuple[Outcome, ...]:
        """As a turn does, which reads what its last phase has executed before it settles."""
        outcomes = await self.world.executor.act(approved)
        await self.world.executor.collect_executions()
        return outcomes

    def tell_outcomes(self, outcomes: tuple[Outcome, ...]) -> None:
        for outcome in outcomes:
            self.lines.append(
                f"  {outcome.intent.id} {outcome.state} {outcome.filled_size} for {outcome.filled_quote}"
                f" {list(outcome.client_ids)} complete={outcome.is_complete} settled={outcome.is_settled}"
            )
            self.tell(outcome.notes)

    async def do_settle(self) -> None:
        try:
            self.tell_truth(await self.world.reconciler.settle(SYMBOLS))
        except Unavailable as error:
            self.lines.append(f"  unavailable: {error}")

    async def do_buy(self, *words: str) -> None:
        changes = dict(word.split("=") for word in words if "=" in word)
        self.world.venue.submits.extend(word for word in words if "=" not in word)
        size = Decimal(changes.get("size", "4"))
        self.tell_outcomes(await self.act([approve(id=changes.get("id", "c1.t1.l1"), size=size)]))

    async def do_stop(self, word: str) -> None:
        self.world.venue.submits.append(word)
        stop = approve(
            Purpose.EXIT,
            id="x1",
            side=Side.SELL,
            order_type=OrderType.STOP,
            trigger_price=Decimal(9),
            time_in_force=TimeInForce.GTC,
        )
        self.tell_outcomes(await self.act([stop]))

    async def do_perp(self) -> None:
        hedge = approve(
            Purpose.HEDGE, id="h1", symbol=PERP, side=Side.SELL, worst_price=Decimal(9), leverage=Decimal(5), leg=2
        )
        self.tell_outcomes(await self.act([hedge]))

    async def do_release(self, *words: str) -> None:
        self.world.venue.submits.extend(words)
        sale = approve(Purpose.REDUCE, id="s1", side=Side.SELL, worst_price=Decimal(9), leg=3)
        release = approve(Purpose.RELEASE, id="r1", symbol=PERP, reduce_only=True, leg=4)
        self.tell_outcomes(await self.act([release, sale]))

    async def do_batch(self, *words: str) -> None:
        self.world.venue.submits.extend(words)
        legs = [
            approve(Purpose.HEDGE, id="b1", symbol=PERP, side=Side.SELL, worst_price=Decimal(9), leg=5),
            approve(Purpose.REDUCE, id="b2", side=Side.SELL, worst_price=Decimal(9), leg=6),
        ]
        self.tell_outcomes(await self.act(legs))

    async def do_cancels(self, *words: str) -> None:
        self.world.venue.cancels.extend(words)

    async def do_cancel(self) -> None:
        self.tell(await self.world.executor.cancel(self.world.journal.reader.load_working()))

    async def do_overdue(self) -> None:
        self.tell(await self.world.executor.cancel_overdue())

    async def do_wait(self, milliseconds: str) -> None:
        self.world.venue.advance(int(milliseconds))

    async def do_lag(self, milliseconds: str) -> None:
        self.world.venue.lag_ms = int(milliseconds)

    async def do_down(self) -> None:
        self.world.venue.is_down = True

    async def do_up(self) -> None:
        self.world.venue.is_down = False

    async def do_halt(self, *when: str) -> None:
        if when:
            self.world.venue.on_admit = lambda: setattr(self, "is_halted", True)
        else:
            self.is_halted = True

    async def do_pause(self, milliseconds: str) -> None:
        """The process stands still after the order was written and before it is sent."""
        record = self.world.journal.record_submitting

        async def held_up(order: object, decided: object) -> None:
            await record(order, decided)  # type: ignore[arg-type]
            self.world.venue.clock_ms += int(milliseconds)

        self.world.journal.record_submitting = held_up  # type: ignore[method-assign]

    async def do_refuse(self, endpoint: str) -> None:
        self._break(endpoint, VenueRejected("-4028", "leverage is not valid", Rejection.OTHER))

    async def do_mute(self, endpoint: str) -> None:
        self._break(endpoint, Unavailable("no answer"))

    async def do_hear(self, endpoint: str) -> None:
        delattr(self.world.venue, endpoint)

    def _break(self, endpoint: str, error: Exception) -> None:
        async def fail(*_: object, **__: object) -> None:
            self.world.venue.calls.append(endpoint)
            raise error

        setattr(self.world.venue, endpoint, fail)

    async def do_spot(self, asset: str, amount: str) -> None:
        self.world.venue.balances[asset] += Decimal(amount)

    async def do_position(self, size: str) -> None:
        self.world.venue.positions[PERP] = (Decimal(size), Decimal(10))

    async def do_paid(self, number: str, kind: str, amount: str) -> None:
        venue = self.world.venue
        symbol = None if kind == "deposit" else PERP
        venue.payments.append(Payment(number, kind, "USDT", Decimal(amount), symbol, venue.clock_ms))
        if symbol is None:
            venue.balances["USDT"] += Decimal(amount)
        else:
            venue.wallet += Decimal(amount)

    async def do_hand(self, side: str, symbol: str, size: str) -> None:
        self.world.venue.execute(symbol, Side(side), Decimal(size), client_id=None, price=Decimal(10))

    async def do_forced(self, client_id: str) -> None:
        self.world.venue.advance(1_000)
        self.world.venue.execute(PERP, Side.BUY, Decimal(4), client_id=client_id, price=Decimal(12))

    async def do_foreign(self, client_id: str) -> None:
        self.world.venue.rest_foreign(client_id)

    async def do_policy(self, policy: str) -> None:
        rules = FAST.model_copy(update={"foreign_order_policy": policy})
        self.world.reconciler = Reconciler(self.world.venue, self.world.journal, rules)

    async def do_twin(self, what: str) -> None:
        client_id = ClientOrderId(ACCOUNT, 900, 1, 1, 1, 0).text
        if what == "rests":
            self.world.venue.rest_foreign(client_id)
        else:
            (order,) = self.world.venue.of_client(client_id)
            self.world.venue.advance(1_000)
            self.world.venue.fill_resting(order, order.request.size)

    async def do_revive(self, *words: str) -> None:
        """What the venue said it does not know is there after all."""
        (post,) = self.world.venue.posts
        order = self.world.venue._new(post)
        if words:
            self.world.venue._fill(order, post.size, self.world.venue.price)

    async def do_accept(self) -> None:
        self.tell(await self.world.reconciler.accept(by="operator", reason="looked at"))


async def held(name: str) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        talks: list[Conversation] = []

        def is_stopped(intent: Intent | None) -> bool:
            return bool(talks) and talks[0].is_halted

        world = await open_world(Path(folder) / "j.db", ScriptedVenue(), is_stopped=is_stopped)
        talk = Conversation(world)
        talks.append(talk)
        talk.told_events = world.journal.reader.count_events()
        try:
            for step in CONVERSATIONS[name]:
                await talk.take(step)
            world.journal.reader.verify()
        except (DuplicateOrder, KeyError) as error:
            talk.lines.append(f"  breaks: {error!r}")
        finally:
            await world.journal.close()
    return [f"# {name}", *talk.lines, ""]


def all_held() -> Iterator[str]:
    for name in CONVERSATIONS:
        yield from asyncio.run(held(name))


def test_every_conversation_goes_as_it_is_written() -> None:
    found, kept = "\n".join(all_held()), TRANSCRIPTS.read_text(encoding="utf-8")
    for ours, theirs in zip(found.split("\n# "), kept.split("\n# "), strict=True):
        assert ours == theirs


if __name__ == "__main__":
    TRANSCRIPTS.write_text("\n".join(all_held()), encoding="utf-8")
