"""After an operator has accepted an account whose history the journal does not know: what is remembered of a rotation
is not done again.

The campaign that the journal was in the middle of may be over at the exchange, and others may have followed it. It ends
here. The stance is read off the holdings where they stand at one; shorts in perps that hedge a sector count as its
hedges; and the tactical long of the stance counts as had. What the market asks for next is planned from what is held.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from bot.domain.campaign import Memory, Stance
from bot.domain.market import Snapshot
from bot.domain.order import Order
from bot.domain.order_ids import read_place
from bot.domain.portfolio import Portfolio
from bot.domain.states import CampaignState
from bot.execution.another_writer import ACCEPTED, UNKNOWN_EXECUTED, UNKNOWN_RESTS
from bot.journal.reader import JournalReader
from bot.playbook.book.context import PlanContext
from bot.playbook.market.stance import target_shares
from bot.playbook.policy.numbers import Policy, Sectors
from bot.playbook.rotation.campaign import drift

_FACTS_MAX = 10_000


def renew_memory(
    memory: Memory,
    reader: JournalReader,
    snapshot: Snapshot,
    portfolio: Portfolio,
    policy: Policy,
    sectors: Sectors,
    working: Sequence[Order],
) -> Memory:
    """The memory to decide with: changed where an acceptance was journaled after it. Raises JournalError."""
    if not reader.load_facts_after(ACCEPTED, reader.load_memory_seq()):
        return memory
    context = PlanContext(snapshot, portfolio, policy, sectors, tuple(working), memory.directional)
    campaign = memory.campaign
    if campaign is not None and not campaign.is_over:
        campaign = replace(campaign, state=CampaignState.ABORTED)
    stance = _stance_of(memory, context)
    held = {one.symbol for one in memory.exits}
    perps = dict.fromkeys(perp for sector in sectors.sectors for perp in sectors.hedges(sector))
    shorts = [perp for perp in perps if perp not in held and context.held(perp) < 0]
    hedges = {perp: covered_sector(perp, shorts, sectors) for perp in shorts}
    return replace(
        memory,
        campaign=campaign,
        campaigns=max(memory.campaigns, _last_campaign(reader)),
        stance=stance,
        longed=stance,
        opening=(),
        hedges={**hedges, **memory.hedges},
    )


def covered_sector(perp: str, shorts: Sequence[str], sectors: Sectors) -> str:
    """The sector that a short covers, from the shorts beside it.

    A perp that hedges several sectors is part of the basket that also has shorts of its own. Where several have, it is
    of the first of them, which takes it in a rotation of both; where none has, it is its token's own sector's.

    Args:
        shorts: all perps that hedge and are held short.
    """
    users = {one: [name for name in sectors.sectors if one in sectors.hedges(name)] for one in (perp, *shorts)}
    owners = users[perp]
    beside = [name for name in owners if any(users[short] == [name] for short in shorts)]
    own = sectors.sector_of(perp)
    return beside[0] if beside else own if own in owners else owners[0]


def _stance_of(memory: Memory, context: PlanContext) -> Stance:
    """The stance whose shares the holdings are nearest to, where that is within the buffer; else the one remembered, or
    the one that was being moved to."""
    campaign = memory.campaign
    known = memory.stance if campaign is None or campaign.is_over else campaign.stance_to
    distances = {one: min(_distance(one, allowed, context) for allowed in (False, True)) for one in Stance}
    nearest = min(distances, key=lambda one: (distances[one], one is not known))
    return nearest if distances[nearest] <= context.policy.allocation.drift_buffer else known


def _distance(stance: Stance, tactical_allowed: bool, context: PlanContext) -> Decimal:
    return drift(target_shares(stance, context.policy, tactical_allowed=tactical_allowed)[0], context)


def _last_campaign(reader: JournalReader) -> int:
    """The highest number of a campaign that unknown orders name: it is not given out again."""
    facts = (fact for kind in (UNKNOWN_EXECUTED, UNKNOWN_RESTS) for fact in reader.load_facts(kind, _FACTS_MAX))
    places = (read_place(str(fact.payload["client_id"])) for fact in facts)
    return max((place[0] for place in places if place is not None), default=0)
