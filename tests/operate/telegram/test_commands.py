"""Reading a command, and the code that confirms one: for one user, once, for a minute."""

import pytest

from bot.operate.telegram.commander import read_command
from bot.operate.telegram.confirmations import CODE_DIGITS, Confirmations


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/status", ("status", "")),
        ("  /PAUSE@my_bot   the   news ", ("pause", "the news")),
        ("/confirm 123456", ("confirm", "123456")),
        ("123456", ("confirm", "123456")),
        ("12345", ("", "")),
        ("123456 7", ("", "")),
        ("١٢٣٤٥٦", ("", "")),
        ("hello", ("", "")),
        ("", ("", "")),
        ("/", ("", "")),
    ],
)
def test_a_message_is_read_as_a_command(text: str, expected: tuple[str, str]) -> None:
    assert read_command(text) == expected


def confirmations(now: list[float]) -> Confirmations:
    codes = iter(["111111", "222222", "333333"])
    return Confirmations(monotonic=lambda: now[0], life_seconds=60, new_code=lambda: next(codes))


def test_a_code_confirms_once() -> None:
    found = confirmations([0.0])
    asked = found.ask(1, "flatten", "news")
    assert found.take(1, "111111") == asked
    assert "nothing waits" in str(found.take(1, "111111"))


def test_a_code_expires() -> None:
    now = [0.0]
    found = confirmations(now)
    found.ask(1, "pause", "news")
    now[0] = 60.1
    assert "has expired after 60 s" in str(found.take(1, "111111"))


def test_a_wrong_code_ends_the_question() -> None:
    found = confirmations([0.0])
    found.ask(1, "pause", "news")
    assert "is not the code" in str(found.take(1, "999999"))
    assert "nothing waits" in str(found.take(1, "111111"))


def test_a_code_belongs_to_its_user_and_the_newest_command() -> None:
    found = confirmations([0.0])
    found.ask(1, "pause", "a")
    found.ask(2, "flatten", "b")
    assert "is not the code" in str(found.take(2, "111111"))
    found.ask(1, "resume", "c")
    assert "is not the code" in str(found.take(1, "111111"))


def test_codes_are_random_and_of_six_digits() -> None:
    found = Confirmations(monotonic=lambda: 0.0)
    codes = {found.ask(1, "pause", "x").code for _ in range(50)}
    assert len(codes) > 40
    assert all(len(code) == CODE_DIGITS and code.isdigit() for code in codes)
