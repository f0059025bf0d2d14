"""What an account holds beside the sectors keeps no rotation from beginning."""

from decimal import Decimal
from pathlib import Path

from bot.domain.reason import Reason
from bot.domain.states import CampaignState
from bot.runtime.simulator.embedded import ACCOUNT
from tests.stage import staged


async def test_airdrops_and_dust_keep_no_rotation_from_beginning(tmp_path: Path) -> None:
    """Binance's test network fills an account with hundreds of assets; on a live one somebody sends a token without a
    market."""
    async with staged(tmp_path) as stage:
        flows = stage.embedded.exchange.flows
        for asset, amount in (("AIRDROP", "1000000"), ("DUST", "0.00000001"), ("1000GIFT", "7")):
            flows.end(flows.begin_deposit(ACCOUNT, asset, Decimal(amount)))
        async with stage.app() as app:
            result = await app.cycle.run()
            campaign = result.decision.campaign
            assert campaign is not None
            assert campaign.state is CampaignState.RUNNING
            assert result.outcomes, "orders are sent"
            assert result.portfolio.unpriced == ()
            assert set(result.portfolio.uncounted) == {"AIRDROP", "DUST", "1000GIFT"}
            assert Reason.PRICE_BAD not in {note.reason for note in result.decision.notes}
            assert app.journal.reader.load_memory().day_start_equity > 0
            await stage.check_books(app)
