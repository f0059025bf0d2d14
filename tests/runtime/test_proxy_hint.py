"""A venue that does not answer: the error says which variable names a proxy and whether it is used."""

import pytest

from bot.runtime.settings.proxy_hint import with_proxy_hint


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
