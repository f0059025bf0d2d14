"""Remote commands through a Telegram bot: long polling, an allow list, confirmation codes."""
