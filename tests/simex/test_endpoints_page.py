"""The page of endpoints is the one that the routes make."""

from tests.simex.endpoints_page import PAGE, page


def test_the_page_of_endpoints_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make reference`"
