"""The settings."""

import pathlib

import pytest

from netplugin import config, model


def test_an_empty_environment_gives_the_defaults() -> None:
    assert config.read({"FULLHOST_BRIDGE": ""}) == config.Settings(
        state=pathlib.Path("/var/lib/fullhost/driver.db"),
        docker="unix:///var/run/docker.sock",
        network_defaults={},
        keeper_seconds=5.0,
        log_level="info",
    )


def test_the_environment_is_taken() -> None:
    settings = config.read({"FULLHOST_SUBNET": "10.0.0.0/24", "FULLHOST_KEEPER_SECONDS": "0", "FULLHOST_LOG": "DEBUG"})
    assert settings.network_defaults == {"subnet": "10.0.0.0/24"}
    assert settings.keeper_seconds == 0
    assert settings.log_level == "debug"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("FULLHOST_SUBNET", "10.0.0.1/24"),
        ("FULLHOST_MTU", "many"),
        ("FULLHOST_LOG", "loud"),
        ("FULLHOST_KEEPER_SECONDS", "soon"),
        ("FULLHOST_KEEPER_SECONDS", "-1"),
        ("FULLHOST_KEEPER_SECONDS", "nan"),
        ("FULLHOST_KEEPER_SECONDS", "1e-9"),
    ],
)
def test_a_malformed_setting_is_refused_at_the_start_by_its_name(name: str, text: str) -> None:
    with pytest.raises(model.Cannot) as caught:
        config.read({name: text})
    assert name in str(caught.value)
