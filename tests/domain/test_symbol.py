"""Symbols are read in one place: spot, perp, dated future, and texts that are no pair."""

import pytest

from bot.domain.symbol import base_of, contract_of, expiry_of, is_perp, pair_of, quote_of, settle_of

ROWS = [
    ("UNI/USDT", False, "UNI", "USDT", "UNI/USDT", "", "", ""),
    ("UNI/USDT:USDT", True, "UNI", "USDT", "UNI/USDT", "USDT", "USDT", ""),
    ("BTC/USDT:USDT-260925", True, "BTC", "USDT", "BTC/USDT", "USDT-260925", "USDT", "260925"),
    ("BTC/USD:BTC", True, "BTC", "USD", "BTC/USD", "BTC", "BTC", ""),
    ("BTCUSDT", False, "BTCUSDT", "", "BTCUSDT", "", "", ""),
    ("", False, "", "", "", "", "", ""),
]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] or "empty" for row in ROWS])
def test_the_parts_of_a_symbol(row: tuple[str, bool, str, str, str, str, str, str]) -> None:
    symbol, perp, base, quote, pair, contract, settle, expiry = row
    assert is_perp(symbol) is perp
    assert (base_of(symbol), quote_of(symbol), pair_of(symbol)) == (base, quote, pair)
    assert (contract_of(symbol), settle_of(symbol), expiry_of(symbol)) == (contract, settle, expiry)
