"""One optimisation step, the losses, the schedule, and the trackers that evaluation compares."""

import math

import torch

from clips.loader import Batch
from deaot import DeAOT
from deaot.equivariance import Equivariance
from deaot.init import initialise
from deaot.mobilenetv2 import MobileNetV2
from deaot.trunk import FROZEN_BLOCKS, FrozenTrunk
from propagation import PropagationTracker
from train import CURRICULA, argmax, clip_loss, learning_rate, parameter_groups, phase_at, train_step


def test_frozen_trunk_equals_the_encoder():
    encoder = MobileNetV2().eval()
    for name, buffer in encoder.named_buffers():
        buffer.uniform_(0.5, 1.5)
    x = torch.randn(1, 3, 65, 81)
    with torch.no_grad():
        expected = encoder(x)[:3]
    for a, b in zip(FrozenTrunk(encoder)(x), expected):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-3 * float(b.abs().max()))


def test_a_step_lowers_the_loss_on_the_same_clips():
    torch.manual_seed(0)
    model = DeAOT.named("deaott")
    initialise(model, None, seed=0)
    optimiser = torch.optim.AdamW(parameter_groups(model, 1e-3, 0.25, 0.0))
    trunk, equivariance = FrozenTrunk(model.encoder), Equivariance(model)
    frames = torch.randint(0, 255, (2, 3, 65, 65, 3), dtype=torch.uint8)
    labels = torch.zeros(2, 3, 65, 65, dtype=torch.uint8)
    labels[:, :, 16:48, 16:40] = 1
    labels[1, :, 20:60, 44:60] = 2
    clips = Batch(0, frames, labels, torch.tensor([1, 2]))
    losses = []
    for _ in range(6):
        loss, iou = train_step(model, trunk, clips, 0.0, 1.0, torch.Generator().manual_seed(0))
        optimiser.zero_grad()
        loss.backward()
        equivariance.project_gradients()
        optimiser.step()
        losses.append(float(loss.detach()))
        assert 0 <= iou <= 1
    assert losses[-1] < losses[0]
    assert all(p.grad is None for i in range(FROZEN_BLOCKS) for p in model.encoder.features[i].parameters())


def test_loss_is_small_for_the_right_answer_only():
    labels = torch.zeros(1, 20, 20, dtype=torch.long)
    labels[:, 5:15, 5:15] = 1
    right = torch.stack([(labels == 0), (labels == 1)], 1).float() * 20
    good, iou = clip_loss(right, labels, torch.tensor([1]), 0.5)
    bad, bad_iou = clip_loss(-right, labels, torch.tensor([1]), 0.5)
    assert good < 0.01 and iou > 0.999 and bad > 5 and bad_iou < 0.01


def test_argmax_prefers_the_lowest_index():
    logits = torch.randint(0, 3, (2, 5, 8, 9)).float()
    assert torch.equal(argmax(logits), logits.argmax(1))


def test_schedule():
    assert learning_rate(0.0) < 0.1 and math.isclose(learning_rate(0.02), 1.0) and learning_rate(1.0) < 0.05
    for curriculum in CURRICULA.values():
        assert curriculum[-1].until == 1.0
        assert [phase_at(curriculum, p.until - 1e-6) for p in curriculum] == list(range(len(curriculum)))
        assert all(p.height % 16 == 1 and p.width % 16 == 1 for p in curriculum)


def test_propagation_follows_a_shift():
    torch.manual_seed(0)

    class Identity(torch.nn.Module):
        def forward(self, x):
            return [None, None, torch.nn.functional.avg_pool2d(x, 16, 16, ceil_mode=True)]

    picture = torch.nn.functional.interpolate(torch.randn(1, 16, 12, 14), scale_factor=16, mode="nearest")
    moved = torch.roll(picture, 16, dims=3)
    labels = torch.zeros(1, 192, 224, dtype=torch.long)
    labels[:, 64:128, 48:112] = 1
    tracker = PropagationTracker(Identity(), top_k=1)
    tracker.add_reference(picture, labels, 1)
    tracker.propagate(moved)
    predicted = tracker.decode((192, 224)).argmax(1)
    expected = torch.roll(labels, 16, dims=2)
    assert ((predicted & expected).sum() / (predicted | expected).sum()) > 0.8
