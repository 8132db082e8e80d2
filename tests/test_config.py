"""ModelConfig: bad values are named, with their limits."""

from __future__ import annotations

import pytest

from nca_viewer.config import ModelConfig
from nca_viewer.errors import ConfigError


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"height": 7}, "height = 7 is out of range; choose a value from 8 to 128"),
        ({"width": 129}, "width = 129 is out of range; choose a value from 8 to 128"),
        ({"height": 28.0}, "height = 28.0 must be a whole number from 8 to 128"),
        ({"width": True}, "width = True must be a whole number from 8 to 128"),
        ({"channel_size": 1}, "channel_size = 1 is out of range; choose a value from 2 to 1024"),
        ({"visible_channel_size": 2}, "visible_channel_size = 2 must be 1 (grey) or 3 (RGB)"),
        ({"hidden_size": 126}, "hidden_size = 126 is not a multiple of num_heads = 4"),
        (
            {"cell_dropout_rate": 1.0},
            "cell_dropout_rate = 1.0 is out of range; choose a value from 0.0 to 0.99",
        ),
        ({"step_size": float("nan")}, "step_size = nan is out of range; choose a value from 1e-06 to 100.0"),
        ({"state_limit": 0.5}, "state_limit = 0.5 is out of range; choose a value from 1.0 to 1000000.0"),
        ({"state_limit": "3"}, "state_limit = '3' must be a number from 1.0 to 1000000.0"),
    ],
)
def test_bad_values_are_named_with_their_limits(fields: dict, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ModelConfig(**fields)
    assert str(caught.value) == message


def test_colour_needs_a_hidden_channel() -> None:
    with pytest.raises(ConfigError, match="leaves no hidden channel"):
        ModelConfig(channel_size=3, visible_channel_size=3)


def test_round_trip_through_plain_values() -> None:
    config = ModelConfig(height=11, width=13, state_limit=3.0)
    assert ModelConfig.from_dict(config.to_dict()) == config


def test_unknown_setting_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown model setting 'colour'"):
        ModelConfig.from_dict({"colour": 1})
