"""Client order ids as the tests compare them."""

from bot.domain.order_ids import _EPOCH_WIDTHS, _TAG_END, _USE_WIDTH


def leg_of(client_id: str) -> str:
    """What all ids of one leg have in common, in this version and in earlier ones: everything but the epoch, the slice
    and the attempt. Any text that is no such id comes back as it is."""
    epoch_width = _EPOCH_WIDTHS.get(len(client_id))
    if epoch_width is None:
        return client_id
    return client_id[:_TAG_END] + client_id[_TAG_END + epoch_width : -_USE_WIDTH]
