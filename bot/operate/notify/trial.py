"""A test notice to every destination."""

import asyncio
from collections.abc import Mapping

from bot.operate.notify.delivery import name_of
from bot.operate.notify.message import INFO, Message
from bot.operate.notify.service import make_senders
from bot.runtime.settings.model import Settings


async def send_trial(settings: Settings) -> Mapping[str, str]:
    """By destination why it was not sent; empty where it was.

    Raises:
        ValueError: Apprise does not know one of the URLs.
    """
    senders = make_senders(settings)
    name = name_of(settings)
    message = Message(f"{name}: test", f"{name}: a test notice. If you read it, notices arrive here.", INFO)
    answers = await asyncio.gather(*(sender.send(message) for sender in senders))
    return {sender.name: why for sender, why in zip(senders, answers, strict=True)}
