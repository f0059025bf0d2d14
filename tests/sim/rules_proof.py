"""What is read at a start is proven: a projection that its events do not say is rebuilt before anything is decided."""

from tests.sim.hooks import Rule
from tests.sim.world import Life
from tests.sim.worlds_parts import PartFlips
from tests.sim.worlds_proof import BitFlips


class ProjectionsAreProven(Rule):
    """After a bit has flipped, a life begins on tables that the events say."""

    def at_start_of_life(self, life: Life) -> None:
        (world,) = (one for one in self.world.hooks.disturbances if isinstance(one, BitFlips))
        is_part_damaged = any(isinstance(one, PartFlips) and one.damaged for one in self.world.hooks.disturbances)
        if not world.flipped or is_part_damaged:  # of a damaged part `verify` speaks first
            world.flipped = ""
            return
        try:
            life.app.journal.reader.verify()
        except Exception as error:  # noqa: BLE001 - whatever it says is the finding
            self.world.violate("what is read at the start is proven", f"{world.flipped}: {error!r}")
        world.flipped = ""


RULES = (ProjectionsAreProven,)
