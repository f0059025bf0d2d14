"""A venue that does not answer: the error says which variable names a proxy and whether it is used."""

from contextlib import nullcontext

import pytest

from bot.ports import SetupFailed
from bot.runtime.settings.proxy_hint import apply_proxies, with_proxy_hint

HOSTS = ("api.one.example", "api.two.example")


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize(("trust_env", "words"), [(True, "is set and used"), (False, "is set and not used")])
def test_the_variable_is_named_and_its_value_is_not(name: str, trust_env: bool, words: str) -> None:
    found = with_proxy_hint("no answer", trust_env=trust_env, environ={name: "http://me:password@proxy:3128"})
    assert found.startswith(f"no answer ({name} {words}")
    assert "venue.trust_env" in found
    assert "password" not in found


@pytest.mark.parametrize("environ", [{}, {"HTTPS_PROXY": " "}, {"NO_PROXY": "*"}])
def test_without_a_proxy_nothing_is_said(environ: dict[str, str]) -> None:
    assert with_proxy_hint("no answer", trust_env=True, environ=environ) == "no answer"


@pytest.mark.parametrize(
    ("environ", "used"),
    [
        ({"ALL_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ({"all_proxy": "proxy:3128"}, "http://proxy:3128"),
        ({"HTTPS_PROXY": " me:password@proxy:3128 "}, "http://me:password@proxy:3128"),
        ({"HTTPS_PROXY": "http://one:1", "ALL_PROXY": "socks5://two:2"}, "http://one:1"),
        ({"https_proxy": "http://one:1", "HTTPS_PROXY": "http://two:2"}, "http://one:1"),
        ({"HTTP_PROXY": "http://one:1"}, None),
        ({"https_proxy": "", "HTTPS_PROXY": "http://two:2"}, ""),
        ({"https_proxy": "", "ALL_PROXY": "socks5h://two:2"}, ""),
        ({"all_proxy": "", "ALL_PROXY": "socks5h://two:2"}, None),
        ({"HTTPS_PROXY": "", "ALL_PROXY": "http://two:2"}, "http://two:2"),
        ({}, None),
    ],
)
def test_the_proxy_that_is_meant_is_where_the_http_library_looks(environ: dict[str, str], used: str | None) -> None:
    apply_proxies(HOSTS, environ)
    assert environ.get("https_proxy") == used


@pytest.mark.parametrize(
    "address", ["socks5://me:password@proxy:1080", "https://proxy:3128", "http://[proxy", "http://"]
)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY"])
def test_a_proxy_that_cannot_be_used_is_refused_and_not_gone_past(name: str, address: str) -> None:
    with pytest.raises(SetupFailed, match=f"environment {name}: is not the address of an HTTP proxy") as caught:
        apply_proxies(HOSTS, {name: address})
    assert "password" not in str(caught.value)


@pytest.mark.parametrize(
    ("exempt", "is_refused"),
    [
        ({"NO_PROXY": "*"}, False),
        ({"no_proxy": "one.example, api.two.example"}, False),
        ({"NO_PROXY": "api.one.example"}, True),
        ({"NO_PROXY": "*", "no_proxy": "localhost"}, True),
        ({"NO_PROXY": ""}, True),
    ],
)
def test_a_proxy_that_the_venue_is_exempt_from_need_not_be_usable(exempt: dict[str, str], is_refused: bool) -> None:
    environ = {"ALL_PROXY": "socks5h://proxy:1080", **exempt}
    with pytest.raises(SetupFailed) if is_refused else nullcontext():
        apply_proxies(HOSTS, environ)
    assert "https_proxy" not in environ
