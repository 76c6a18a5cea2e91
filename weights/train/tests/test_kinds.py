"""Clips of the hard kinds show what their names say."""

import numpy as np
import pytest

from clips.generator import Materials
from clips.kinds import KINDS, KindClips, ToAndFro
from clips.loader import Source
from clips.motion import ObjectMotion, Turn
from train import CURRICULA


@pytest.mark.parametrize("kind", KINDS)
def test_clips_are_reproducible_and_start_with_every_object(materials, kind):
    generator = KindClips(Materials(materials, validation=False), 129, 193, 5, kind=kind)
    for seed in range(3):
        frames, labels = generator.clip(np.random.default_rng(seed))
        again, again_labels = generator.clip(np.random.default_rng(seed))
        assert np.array_equal(frames, again) and np.array_equal(labels, again_labels)
        assert set(np.unique(labels)) - {0} == set(range(1, int(labels[0].max()) + 1)) and labels.any()


def test_an_unknown_kind_is_named(materials):
    with pytest.raises(ValueError, match="wobble"):
        KindClips(Materials(materials, validation=False), 97, 129, 3, kind="wobble")


def test_a_turn_keeps_the_silhouette_and_shows_another_side():
    front = np.zeros((60, 40, 4), np.float32)
    front[5:55, 5:35] = (200, 0, 0, 1)
    back = np.full((60, 40, 4), (0, 0, 200, 1), np.float32)
    turn = Turn(np.random.default_rng(0), front, back)
    assert np.array_equal(turn.at(front, 0.0), front)
    turn.angle.at = lambda t: np.array([t])
    turned = turn.at(front, 1.2)
    assert np.array_equal(turned[..., 3], front[..., 3])
    new = (turned[..., 2] > 100).sum() / (front[..., 3] > 0).sum()
    assert 0.1 < new < 0.6
    assert (turn.at(front, 2.6)[..., 2] > 100).sum() > (turned[..., 2] > 100).sum()


def test_small_fast_things_are_small_and_fast(materials):
    generator = KindClips(Materials(materials, validation=False), 193, 257, 4, kind="fast")
    moved = []
    for seed in range(8):
        _, labels = generator.clip(np.random.default_rng(seed))
        assert (labels[0] == 1).mean() < 0.02
        places = [np.argwhere(m == 1).mean(0) for m in labels if (m == 1).any()]
        moved += [np.hypot(*(b - a)) for a, b in zip(places, places[1:])]
    assert np.median(moved) > 4


def test_a_lookalike_enters_and_is_background(materials):
    """Without noise and camera the frame changes outside of the label: something else has come."""
    generator = KindClips(Materials(materials, validation=False), 193, 257, 6, kind="lookalike")
    frames, labels = generator.clip(np.random.default_rng(3))
    assert labels[-1].max() <= labels[0].max()
    outside = (labels[0] == 0) & (labels[-1] == 0)
    assert np.abs(frames[-1].astype(int) - frames[0])[outside].mean() > 1


def test_things_that_go_to_and_fro_stay():
    motion = ToAndFro(np.array([30.0, 0.0]), 40.0, ObjectMotion(np.random.default_rng(0), 10.0))
    motion.then.at = lambda t, centre: np.eye(3)
    steps = [motion.at(t, np.zeros(2))[0, 2] for t in np.linspace(0, 50, 400)]
    assert max(np.abs(steps)) <= 40.01 and motion.at(0.0, np.zeros(2))[0, 2] == 0


def test_a_share_of_the_training_clips_is_hard(materials, monkeypatch):
    drawn = []
    monkeypatch.setattr(KindClips, "clip", lambda self, rng: drawn.append(1) or (np.zeros((3, 97, 97, 3), np.uint8), np.zeros((3, 97, 97), np.uint8)))
    source = Source(materials, CURRICULA["tiny"], kinds=0.5)
    for seed in range(30):
        source.clip(np.random.default_rng(seed), 0)
    assert 6 < len(drawn) < 24
