"""The network against recorded goldens, and what must hold without any."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from deaot import CONFIGS, DeAOT, Engine, one_hot, resize_labels
from deaot.attention import WindowIndex
from deaot.goldens import GOLDEN_NAMES, check_golden, procedural_tensor

GOLDENS = os.environ.get("SAMTRACK_GOLDENS")


@pytest.mark.parametrize("name", GOLDEN_NAMES)
def test_golden(name):
    if not GOLDENS or not (Path(GOLDENS) / f"{name}.manifest.json").exists():
        pytest.skip("set SAMTRACK_GOLDENS to the folder with the goldens")
    failed = [c for c in check_golden(Path(GOLDENS), name) if not c.passed]
    assert not failed, failed


def test_procedural_generator_gives_the_documented_numbers():
    values = procedural_tensor("a.weight", [3], 7, 1.0, 0.0)
    assert np.array_equal(values, np.float32([-0.20315958559513092, -0.024228237569332123, -0.5059523582458496]))


@pytest.mark.parametrize("name, millions, entries", [("deaott", 7.238, 325), ("deaots", 10.203, 362), ("deaotb", 13.167, 399), ("deaotl", 13.167, 399)])
def test_size_and_number_of_keys(name, millions, entries):
    model = DeAOT.named(name)
    assert len(model.state_dict()) == entries
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 3) == millions


def test_window_at_a_corner_and_in_the_middle():
    index = WindowIndex((20, 22), 7, torch.device("cpu"))
    inside = (~index.outside).sum(1).view(20, 22)
    assert inside[0, 0] == 64 and inside[10, 10] == 225
    assert int(index.offset[0, 0]) == 7 * 15 + 7
    assert int(index.offset[0, 1]) == 7 * 15 + 8


@pytest.fixture(scope="module")
def engine_inputs():
    torch.manual_seed(0)
    model = DeAOT.named("deaots").eval()
    frames = [torch.randn(1, 3, 97, 113) for _ in range(5)]
    labels = torch.randint(0, 4, (1, 97, 113))
    return model, frames, labels


def test_memory_grows_by_the_gap_and_the_cap_keeps_the_reference(engine_inputs):
    model, frames, labels = engine_inputs
    engine = Engine(model, long_term_gap=2, long_term_cap=2)
    engine.add_reference(frames[0], labels, 3)
    reference = engine.groups[0].references[0]
    for frame in frames[1:]:
        engine.propagate(frame)
        engine.update_memory(engine.decode((97, 113)).argmax(1))
    group = engine.groups[0]
    assert group.references == [reference] and len(group.predicted) == 1
    assert group.long[0].key.shape[1] == 2 * 7 * 8
    assert group.last_memorised == 4


def test_update_memory_may_be_repeated_and_equals_the_reference(engine_inputs):
    model, frames, labels = engine_inputs
    engine = Engine(model)
    engine.add_reference(frames[0], labels, 3)
    before = engine.groups[0].short
    for _ in range(2):
        engine.update_memory(labels)
        for a, b in zip(before, engine.groups[0].short):
            assert all(torch.equal(x, y) for x, y in zip(a.astuple(), b.astuple()))


def test_two_groups_keep_their_objects_apart(engine_inputs):
    model, frames, _ = engine_inputs
    labels = torch.zeros(1, 97, 113, dtype=torch.long)
    labels[:, :50] = 3
    labels[:, 60:] = 13
    engine = Engine(model)
    engine.add_reference(frames[0], labels, 13)
    assert [g.objects for g in engine.groups] == [10, 3]
    assert engine._group_labels(labels, 0).unique().tolist() == [0, 3]
    assert engine._group_labels(labels, 1).unique().tolist() == [0, 3]
    logits = engine.decode((97, 113))
    assert logits.shape == (1, 21, 97, 113)
    assert torch.allclose(logits[:, 14:], torch.tensor(1e-5).logit().expand_as(logits[:, 14:]), atol=1e-3)


def test_labels_are_resized_by_floor_and_one_hot_ignores_large_ids():
    labels = torch.tensor([[[0, 1, 2, 3, 4, 5]]])
    assert resize_labels(labels, (1, 4))[0, 0].tolist() == [0, 1, 3, 4]
    assert one_hot(torch.tensor([[[0, 11]]]), 11).sum().item() == 1


def test_every_variant_has_a_config():
    assert {c.layers for c in CONFIGS.values()} == {1, 2, 3}
