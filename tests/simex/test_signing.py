"""Signatures over the bytes as received, and the receive window at its edges."""

from decimal import Decimal
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.simex.signing import ApiKey, TimingDefect, is_signed_by, sign, signed_payload, timing_defect

# The worked example of the spot documentation: key, parameters and signature as printed there.
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
QUERY = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
SIGNATURE = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
NOW = 1_700_000_000_000


def test_the_documented_example_verifies_from_query_body_or_a_mix() -> None:
    head, tail = QUERY.split("&quantity", 1)
    mixed = "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77"
    for query, body in ((f"{QUERY}&signature={SIGNATURE}", ""), ("", f"{QUERY}&signature={SIGNATURE}")):
        assert is_signed_by(SECRET, signed_payload(query, body), SIGNATURE)
    split = "quantity" + tail
    payload = signed_payload(head, f"{split}&signature={mixed}")
    assert payload == head + split, "query and body follow one another with nothing between"
    assert is_signed_by(SECRET, payload, mixed)


def test_a_signature_counts_in_any_case_and_at_any_place() -> None:
    first, rest = QUERY.split("&", 1)
    for query in (f"signature={SIGNATURE}&{QUERY}", f"{first}&signature={SIGNATURE}&{rest}"):
        assert is_signed_by(SECRET, signed_payload(query, ""), SIGNATURE.upper())


@given(st.text(min_size=1, max_size=20), st.integers(0, 19))
def test_signing_other_bytes_than_those_sent_is_refused(text: str, at: int) -> None:
    sent = f"newClientOrderId={quote(text, safe='')}&timestamp=1"
    signature = sign(SECRET, sent)
    assert is_signed_by(SECRET, signed_payload(f"{sent}&signature={signature}", ""), signature)
    decoded = f"newClientOrderId={text}&timestamp=1"
    if decoded != sent:
        assert not is_signed_by(SECRET, signed_payload(f"{sent}&signature={signature}", ""), sign(SECRET, decoded))
    assert not is_signed_by(SECRET, sent[:at] + "~" + sent[at + 1 :], signature) or sent[at : at + 1] == "~"


@pytest.mark.parametrize(
    ("lead_ms", "window_ms", "defect"),
    [
        (0, "5000", None),
        (999, "5000", None),
        (1000, "5000", TimingDefect.EARLY),
        (-5000, "5000", None),
        (-5001, "5000", TimingDefect.LATE),
        (-1, "0.5", TimingDefect.LATE),
        (-60000, "60000", None),
    ],
)
def test_the_receive_window_is_exact(lead_ms: int, window_ms: str, defect: TimingDefect | None) -> None:
    assert timing_defect(NOW + lead_ms, Decimal(window_ms), NOW) is defect
    assert timing_defect((NOW + lead_ms) * 1000, Decimal(window_ms), NOW) is defect, "microseconds count as well"


def test_secrets_do_not_show() -> None:
    assert "hush" not in repr(ApiKey("k", "hush", "main"))
