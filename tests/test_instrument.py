"""When what is seen of an automaton is at rest."""

import pytest

from nca_viewer.checkpoint import load_checkpoint
from nca_viewer.instrument import Instrument
from nca_viewer.interaction.actions import Tool
from nca_viewer.interaction.strokes import disc_region
from nca_viewer.pacing import VISIBLE_TEMPO
from nca_viewer.simulation import Simulation
from nca_viewer.start_images import StartImages
from nca_viewer.timeline import Timeline


@pytest.mark.parametrize("digit", [1, 3, 6])
def test_cells_that_wait_in_a_wound_are_not_at_rest_and_healed_ones_are(compiled_for_people, digit):
    model, _ = load_checkpoint("model")
    simulation = Simulation(model, seed=5)
    config = simulation.config
    simulation.begin(StartImages(config, 5).digit(digit, 1), 0.5)
    simulation.advance(176)
    instrument = Instrument("model", config, (), Timeline(simulation))
    now_seconds, healed = 0.0, []

    def see(touched=None):
        snapshot = simulation.request_snapshot().result()
        instrument.see(snapshot, touched=touched, now_seconds=now_seconds, view="image")

    see()
    disc = disc_region((14, 14), 3, config.height, config.width)
    now_seconds = 10.0
    simulation.apply(Tool.ERASE, disc)
    see(disc)
    hand_step = simulation.step
    for _ in range(240):
        now_seconds += 1.0 / VISIBLE_TEMPO.steps_per_second(simulation.step, hand_step)
        simulation.advance(1)
        see()
        if instrument.is_at_rest:
            healed.append(instrument.healing.restored)
    assert len(healed) > 100
    assert min(healed) > 0.9
