"""Signals and phases of one snapshot, read with an empty cache."""

from collections.abc import Mapping

from bot.domain.campaign import Phase
from bot.domain.market import Snapshot
from bot.domain.reason import Note
from bot.playbook.market.signal_cache import SignalCache
from bot.playbook.market.signals import read_market
from bot.playbook.market.view import Signal
from bot.playbook.policy.membership import Sectors
from bot.playbook.policy.numbers import Policy


def read_signals(snapshot: Snapshot, policy: Policy, sectors: Sectors) -> tuple[tuple[Signal, ...], tuple[Note, ...]]:
    """Every signal that can be read, and a note for each that cannot."""
    reading = read_market(snapshot, policy, sectors, SignalCache())
    return reading.signals, reading.notes


def read_phases(snapshot: Snapshot, policy: Policy, sectors: Sectors) -> Mapping[str, Phase]:
    """The phase of each sector."""
    return read_market(snapshot, policy, sectors, SignalCache()).phases
