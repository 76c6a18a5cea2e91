"""The segmenter: what it is asked, what it looks at, that it learns, and that it can be run as the product runs it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from clips.generator import Materials
from segmenter import Prompts, Segmenter, Trunk
from segmenter.clicks import box_of, deepest, first_click, next_click, noisy_box, perturbed
from segmenter.goldens import ellipse, picture
from segmenter.infer import Clicks, Predictor, Window, clicked_pieces
from segmenter.loss import mask_cost, total_cost
from segmenter.model import FRAME, box_weights, dense_prompt, point_weights
from segmenter.scenes import SceneGenerator, draw_target, part_of, touching
from segmenter.validate import iou

SHIPPED = Path(__file__).parents[2] / "embedded" / "samtrack-small.safetensors"
TRACKER = Path(__file__).parents[2] / "embedded" / "deaot-t.safetensors"


@pytest.fixture(scope="module")
def trunk():
    return Trunk(TRACKER)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Segmenter().eval()


def prompts(points=(), labels=(), box=None, cells=64):
    return Prompts(
        torch.tensor(points, dtype=torch.float32).reshape(1, -1, 2), torch.tensor(labels, dtype=torch.long).reshape(1, -1),
        torch.tensor([box or [torch.nan] * 4]), torch.zeros(1, cells, cells),
    )


def encoded(model, side=256):
    torch.manual_seed(1)
    n = side // 16
    return model.encode([torch.randn(1, 24, 4 * n, 4 * n), torch.randn(1, 32, 2 * n, 2 * n), torch.randn(1, 96, n, n)])


def test_the_trunk_is_the_trackers_encoder(trunk):
    from deaot import DeAOT
    from deaot.checkpoint import load_weights

    tracker = DeAOT.named("deaott").eval()
    load_weights(tracker, TRACKER)
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        for mine, its in zip(trunk(image), tracker.encoder(image)[:3]):
            assert torch.allclose(mine, its, atol=1e-4)


def test_fits_beside_the_tracker(model):
    assert 2 * sum(v.numel() for v in model.state_dict().values()) < 8e6


def test_weights_of_a_point_and_of_a_box():
    w = point_weights(torch.tensor([[[7.5, 7.5], [15.5, 7.5], [-40.0, 500.0]]]), 4, 6)[0]
    assert w[0, 0, 0] == 1 and w[0].sum() == 1
    assert torch.allclose(w[1, 0, :2], torch.tensor([0.5, 0.5]))
    assert w[2, 3, 0] == 1
    b = box_weights(torch.tensor([[8.0, 0.0, 24.0, 16.0]]), 4, 6)[0]
    assert torch.allclose(b[0, :2], torch.tensor([0.5, 0.5])) and abs(float(b.sum()) - 1) < 1e-6


def test_the_dense_prompt_shows_clicks_and_box():
    d = dense_prompt(prompts([[101.5, 41.5], [21.5, 61.5]], [1, 0], [8.0, 4.0, 18.0, 12.0]))[0]
    assert d[1].argmax() == 10 * 64 + 25 and d[2].argmax() == 15 * 64 + 5
    assert d[3, 1:3, 2:4].eq(1).all() and d[3].sum() == 5 and d[0].abs().sum() == 0
    assert dense_prompt(prompts()).abs().sum() == 0


def test_padding_changes_nothing(model):
    """Prompts of different lengths share a batch: what fills the shorter ones is not seen."""
    e = encoded(model)
    at = torch.zeros(1, dtype=torch.long)
    with torch.no_grad():
        alone, iou = model.decode(e, at, prompts([[100.0, 90.0]], [1]))
        padded, padded_iou = model.decode(e, at, prompts([[100.0, 90.0], [3.0, 200.0]], [1, -1]))
        moved, _ = model.decode(e, at, prompts([[140.0, 90.0]], [1]))
    assert torch.allclose(alone, padded, atol=1e-5) and torch.allclose(iou, padded_iou, atol=1e-5)
    assert not torch.allclose(alone, moved, atol=1e-2)


def test_a_window_is_asked_like_the_frame(model):
    """Positions are those of the frame: a window says where it lies."""
    with torch.no_grad():
        embedding = torch.zeros(1, 128, 16, 16)
        here, _ = model.prompt_encoder.sparse(prompts([[150.0, 40.0]], [1]), embedding, torch.tensor([[0.0, 0.0]]))
        there, _ = model.prompt_encoder.sparse(prompts([[22.0, 8.0]], [1]), embedding, torch.tensor([[128.0, 32.0]]))
        grid = model.prompt_encoder.dense_pe(32, 32, torch.zeros(1, 2))
        part = model.prompt_encoder.dense_pe(16, 16, torch.tensor([[128.0, 32.0]]))
    assert torch.allclose(here[:, :2], there[:, :2], atol=1e-4)
    assert torch.allclose(grid[:, :, 2:18, 8:24], part, atol=1e-4)


def test_clicks_go_where_the_error_is():
    mask = np.zeros((100, 120), bool)
    mask[20:60, 30:90] = True
    x, y = first_click(mask)
    assert mask[int(y), int(x)] and 35 <= y <= 45
    wrong = mask.copy()
    wrong[20:60, 60:90] = False
    (x, y), label = next_click(wrong, mask)
    assert label == 1 and 60 <= x < 90
    wrong = mask.copy()
    wrong[70:95, 5:50] = True
    (x, y), label = next_click(wrong, mask)
    assert label == 0 and 70 <= y < 95
    assert next_click(mask, mask) is None
    assert deepest(np.ones((9, 9), bool)) == (4.0, 4.0)


def test_boxes_and_masks_of_a_careless_user_stay_in_the_picture():
    mask = np.zeros((96, 96), bool)
    mask[0:40, 50:96] = True
    assert box_of(mask).tolist() == [50, 0, 96, 40]
    for seed in range(30):
        rng = np.random.default_rng(seed)
        box = noisy_box(mask, rng)
        assert (box >= 0).all() and (box <= 96).all() and (box[2:] > box[:2]).all()
        assert perturbed(mask, rng).shape == (24, 24)


def test_scenes_are_reproducible_and_have_targets(materials):
    generator = SceneGenerator(Materials(materials, validation=False), 192)
    for seed in range(8):
        scene, again = (generator.scene(np.random.default_rng(seed)) for _ in range(2))
        assert np.array_equal(scene.image, again.image) and np.array_equal(scene.labels, again.labels)
        assert not scene.labels[scene.valid[0] :].any() and not scene.labels[:, scene.valid[1] :].any()
        assert all(0 <= o <= FRAME - 192 for o in scene.origin)
        assert draw_target(np.random.default_rng(seed), scene).any()


def test_neighbours_and_parts():
    labels = np.zeros((64, 64), np.uint8)
    labels[10:30, 10:30], labels[10:30, 32:50], labels[50:60, 50:60] = 1, 2, 3
    assert touching(labels, 1) == [2] and touching(labels, 3) == []
    image = np.zeros((64, 64, 3), np.uint8)
    mask = np.zeros((64, 64), bool)
    mask[8:56, 8:56] = True
    image[:, 32:] = 250
    part = next(p for p in (part_of(np.random.default_rng(s), image, mask) for s in range(20)) if p is not None)
    assert part.any() and not (part & ~mask).any() and part.sum() < mask.sum()


def test_the_cost_prefers_the_mask():
    target = torch.zeros(1, 16, 16)
    target[:, 4:12, 4:12] = 1
    right = (target * 2 - 1)[:, None] * 8
    costs = mask_cost(torch.cat([right, -right, torch.zeros_like(right)], 1), target)[0]
    assert costs[0] < 0.05 < costs[2] < costs[1]
    logits = torch.cat([-right, right, -right, -right], 1)
    cost, truth = total_cost(logits, torch.zeros(1, 4), target, torch.tensor([True]))
    worse, _ = total_cost(logits, torch.zeros(1, 4), target, torch.tensor([False]))
    assert truth[0].tolist() == [0, 1, 0, 0] and cost < worse


def test_masks_come_back_to_the_picture(trunk, model):
    """A window is cut, enlarged and pasted back exactly, and a prediction has the picture's size."""
    predictor = Predictor(trunk, model)
    image = np.random.default_rng(0).integers(0, 255, (90, 160, 3), dtype=np.uint8)
    predictor.set_image(image)
    logits = torch.full((90, 160), -8.0)
    logits[30:60, 50:110] = 8
    window = Window(40, 10, 80)
    back = predictor._paste(predictor._cut(logits, window)[0], window)
    assert ((back > 0) == (logits > 0)).float().mean() > 0.995
    out, iou = predictor.predict(Clicks([(80.0, 45.0)], [1]))
    assert out.shape == (90, 160) and np.isfinite(iou)
    again, _ = predictor.predict(Clicks([(80.0, 45.0), (10.0, 10.0)], [1, 0]), out)
    assert again.shape == (90, 160)
    boxed, _ = predictor.predict(Clicks(box=(20.0, 10.0, 60.0, 50.0)))
    assert torch.isfinite(boxed).all()


def test_pieces_that_nobody_clicked_go_unless_they_are_large_and_near():
    logits = torch.full((60, 100), -3.0)
    logits[5:25, 5:35], logits[6:9, 36:39], logits[26:50, 5:25], logits[20:50, 60:90] = 2.0, 2.0, 2.0, 2.0
    kept = clicked_pieces(logits, Clicks([(10.0, 10.0), (95.0, 5.0)], [1, 0])) > 0
    assert kept[5:25, 5:35].all() and kept[26:50, 5:25].all()
    assert not kept[6:9, 36:39].any() and not kept[20:50, 60:90].any()
    assert torch.equal(clicked_pieces(logits, Clicks(box=(0, 0, 9, 9))), logits)
    assert torch.equal(clicked_pieces(logits, Clicks([(95.0, 5.0)], [1])), logits)


def test_the_shipped_weights_find_what_is_clicked():
    predictor = Predictor.load(SHIPPED, TRACKER)
    assert SHIPPED.stat().st_size < 8e6
    predictor.set_image(picture())
    mask = ellipse(1)
    boxed, _ = predictor.predict(Clicks(box=tuple(box_of(mask))))
    assert iou(boxed.numpy() > 0, mask) > 0.9
    clicked, _ = predictor.predict(Clicks([first_click(mask)], [1]))
    assert (clicked.numpy() > 0)[mask].mean() > 0.9
    other = ellipse(0) & ~ellipse(2)
    without, _ = predictor.predict(Clicks([first_click(mask), first_click(other)], [1, 0]))
    assert (without.numpy() > 0)[mask].mean() > 0.9


@pytest.mark.parametrize("processes", [1, 2])
def test_training_runs_and_goes_on(materials, tmp_path, processes):
    """A few steps, stopped, and some more from where it was."""
    program = Path(__file__).parents[1] / "train_segmenter.py"
    for minutes in (0.02, 0.04):
        command = [sys.executable, str(program), "--run", str(tmp_path), "--minutes", str(minutes), "--materials", str(materials)]
        command += ["--sides", "96", "96", "--processes", str(processes), "--validation-scenes", "1", "--scenes-per-step", "4"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr
    history = (tmp_path / "history.jsonl").read_text().splitlines()
    assert len(history) == 2
    saved = torch.load(tmp_path / "last.pt", weights_only=False)
    assert saved["elapsed"] >= 0.04 * 60 and len(saved["history"]) == 2
