"""A start that the account refuses opens nothing before the account is right, and looks after what there is."""

from bot.domain.states import KillLevel
from bot.journal.reader import JournalReader
from bot.ports import OrderRequest
from bot.runtime.kill.flag_file import FlagFile
from tests.sim.hooks import Rule
from tests.sim.rules_writers import is_entry
from tests.sim.wire import ACCOUNT
from tests.sim.world import Life


class RefusedStartsLookAfterWhatThereIs(Rule):
    """Judged by the account's modes at the exchange, and by the orders that rest there and that the journal knows."""

    _is_refused = False

    def at_start_of_life(self, life: Life) -> None:
        self._is_refused = self._is_wrong()

    def on_submit(self, request: OrderRequest) -> None:
        if self.world.life is None or not is_entry(request):
            return
        if self._is_refused and self._is_wrong():
            self.world.violate("a refused start opens nothing", request.client_id)

    def on_refused_start(self) -> None:
        reader = JournalReader(self.world.journal_path)
        known = {order.client_id for order in reader.load_working()}
        level = reader.load_latch().level
        reader.close()
        resting = sorted(known & {order.client_id for order in self.world.exchange.open_orders(ACCOUNT)})
        if resting:
            words = f"{', '.join(resting)} rest, and no process runs"
            self.world.violate("a refused start looks after what there is", words)
        is_acting = level is not KillLevel.OFF or FlagFile(self.world.directory).load() is not KillLevel.OFF
        if is_acting:
            self.world.violate("a refused start looks after what there is", f"level {level} is in force")

    def _is_wrong(self) -> bool:
        return self.world.exchange.modes(ACCOUNT).is_multi_assets


RULES = (RefusedStartsLookAfterWhatThereIs,)
