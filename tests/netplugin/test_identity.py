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


@pytest.mark.parametrize(
    ("containers", "why"),
    [
        ((), "no container that is set to join this network"),
        (("web", "db"), "2 containers that do not run could be it: db, web"),
        (tuple("abcdef"), "6 containers that do not run could be it: a, b, c, d, e …"),
    ],
)
def test_it_never_guesses(containers: tuple[str, ...], why: str) -> None:
    with pytest.raises(model.Cannot, match=r"driver-opt=fullhost\.name=NAME") as caught:
        identity.by_candidates(containers, domain="local")
    assert why in str(caught.value)
    assert caught.value.reason is model.Reason.CONFLICT


@pytest.mark.parametrize("name", ["a_b", "a.b", "x" * 64])
def test_an_owner_has_a_name_that_dns_can_bear(name: str) -> None:
    with pytest.raises(model.Cannot, match="cannot name a machine"):
        identity.by_option(name, domain="local")
    with pytest.raises(model.Cannot, match="cannot name a machine"):
        identity.by_candidates((name,), domain="local")
