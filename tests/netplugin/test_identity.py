"""Whose endpoint it is."""

import pytest

from netplugin import identity, model


def test_the_option_names_the_owner() -> None:
    owner = identity.by_option("web.local", domain="local")
    assert owner == model.Owner(name="web", rung=model.Rung.OPTION)
    assert identity.by_option(None, domain="local") is None


def test_the_only_candidate_is_the_owner() -> None:
    owner = identity.by_candidates(("database",), domain="local")
    assert owner == model.Owner(name="database", rung=model.Rung.CANDIDATE)


@pytest.mark.parametrize("containers", [(), ("web", "db"), tuple("abcdef")])
def test_it_never_guesses(containers: tuple[str, ...]) -> None:
    assert identity.by_candidates(containers, domain="local") is None


@pytest.mark.parametrize("name", ["a_b", "a.b", "x" * 64])
def test_an_owner_has_a_name_that_dns_can_bear(name: str) -> None:
    with pytest.raises(model.Cannot, match="cannot name a machine"):
        identity.by_option(name, domain="local")
    with pytest.raises(model.Cannot, match="cannot name a machine"):
        identity.by_candidates((name,), domain="local")
