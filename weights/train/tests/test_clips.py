"""The generator on a few made-up pictures: clips are reproducible, labels are exact and start with every object."""

import cv2
import numpy as np
import pytest

from clips.generator import ClipGenerator, Layer, Materials, line_kernel
from clips.materials import held_out, normalised_cuts, plausible, trim
from clips.motion import Camera, ObjectMotion, Wander, frame_times


def test_clips_are_reproducible_and_labelled(materials):
    generator = ClipGenerator(Materials(materials, validation=False), 97, 129, 3)
    for seed in range(12):
        frames, labels = generator.clip(np.random.default_rng(seed))
        again, again_labels = generator.clip(np.random.default_rng(seed))
        assert np.array_equal(frames, again) and np.array_equal(labels, again_labels)
        assert frames.shape == (3, 97, 129, 3) and labels.shape == (3, 97, 129)
        ids = np.unique(labels[0])
        assert ids.max() <= 10 and set(range(1, int(labels.max()) + 1)) <= set(ids.tolist())


def test_number_of_objects_can_be_fixed(materials):
    generator = ClipGenerator(Materials(materials, validation=False), 193, 257, 2, objects=12)
    _, labels = generator.clip(np.random.default_rng(1))
    assert set(np.unique(labels[0]).tolist()) >= set(range(1, 13)) and labels.max() == 12


def test_validation_uses_held_out_pictures_only(materials):
    train, validation = Materials(materials, False), Materials(materials, True)
    assert {c["file"] for c in train.cutouts["stamp"]}.isdisjoint(c["file"] for c in validation.cutouts["stamp"])
    assert set(train.photo_ids).isdisjoint(validation.photo_ids) and len(validation.photo_ids) == 1


def test_a_share_of_names_is_held_out():
    assert 0.06 < np.mean([held_out(f"item-{i}") for i in range(2000)]) < 0.14


def test_paths_start_at_rest():
    rng = np.random.default_rng(0)
    assert np.allclose(Wander(rng, 2.0, 2).at(0.0), 0)
    assert np.allclose(Camera(rng, 97, 129).at(0.0), np.eye(3))
    assert np.allclose(ObjectMotion(rng, 50.0).at(0.0, np.array([20.0, 30.0])), np.eye(3))
    times = frame_times(rng, 5)
    assert times[0] == 0 and (np.diff(times) > 0).all()


def test_a_cast_shadow_darkens_and_is_not_labelled(materials):
    generator = ClipGenerator(Materials(materials, validation=False), 97, 129, 2)
    rgba = np.ones((20, 20, 4), np.float32) * [200, 200, 200, 1]
    layer = Layer(rgba.astype(np.float32), np.eye(3), 1, None, None, False, shadow=np.array([[1, 0, 30], [0, 1, 40], [0, 0, 1.0]]),
                  shadow_depth=0.5, shadow_blur=1.0)
    frame = np.full((97, 129, 3), 100, np.float32)
    generator._cast(frame, layer, 0.0, np.eye(3))
    assert frame[50, 40, 0] == pytest.approx(50, abs=1) and frame[10, 10, 0] == 100


def test_line_kernel_is_a_line_of_unit_mass():
    kernel = line_kernel(np.array([1.0, 0.0]), 7)
    assert kernel.sum() == pytest.approx(1) and (kernel.sum(1) > 0).sum() == 1


def test_segments_must_look_like_things():
    mask = np.zeros((100, 100), np.uint8)
    mask[:40] = 1
    assert not plausible(mask)  # a band along the border
    mask[:] = 0
    cv2.circle(mask, (50, 50), 20, 1, -1)
    assert plausible(mask)
    assert trim(np.zeros((50, 50, 4), np.uint8)) is None


def test_normalised_cut_finds_the_odd_region():
    rng = np.random.default_rng(0)
    tokens = np.tile(np.eye(8)[0], (16, 20, 1)) + rng.normal(0, 0.02, (16, 20, 8))
    tokens[5:10, 6:12] = np.eye(8)[1] + rng.normal(0, 0.02, (5, 6, 8))
    (mask, *_) = normalised_cuts(tokens.astype(np.float32))
    expected = np.zeros((16, 20), bool)
    expected[5:10, 6:12] = True
    assert ((mask > 0) == expected).all() or ((mask == 0) == expected).all()
