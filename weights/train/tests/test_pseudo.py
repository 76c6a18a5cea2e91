"""Pseudo-labels on a made-up video: a textured disc crosses a textured ground under a moving camera."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from clips import pseudo
from clips.loader import Mixture, Source
from clips.pseudo import Rules, Video, agree, attempt, is_cut, moving_regions, overlap, propose, pseudo_label
from clips.stored import IGNORED, ClipWriter, StoredClips, compact
from deaot import DeAOT
from deaot.checkpoint import load_weights
from train import Phase, clip_loss

WEIGHTS = Path(__file__).resolve().parents[2] / "embedded/deaot-t.safetensors"
HEIGHT, WIDTH = 113, 161


def texture(rng, height, width, low, high):
    return cv2.resize(rng.integers(low, high, (height // 6, width // 6, 3), dtype=np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope="module")
def video():
    """frames [6, H, W, 3] and the disc's mask [6, H, W]."""
    rng = np.random.default_rng(3)
    ground, coat = texture(rng, 2 * HEIGHT, 2 * WIDTH, 20, 110), texture(rng, HEIGHT, WIDTH, 130, 250)
    frames, masks = [], []
    for t in range(6):
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.circle(mask, (50 + 5 * t, 56 + 2 * t), 22, 1, -1)
        frame = ground[20 + t : 20 + t + HEIGHT, 30 + t : 30 + t + WIDTH].copy()
        moved = np.roll(coat, (2 * t, 5 * t), axis=(0, 1))
        frame[mask > 0] = moved[mask > 0]
        frames.append(frame)
        masks.append(mask)
    return np.stack(frames), np.stack(masks)


@pytest.fixture(scope="module")
def model():
    network = DeAOT.named("deaott").eval()
    load_weights(network, WEIGHTS)
    return network


def test_what_moves_against_the_camera_is_proposed(video):
    frames, masks = video
    found = moving_regions(frames[0], frames[1])
    assert found and max(overlap(m > 0, masks[0] > 0) for m in found) > 0.7
    labels = propose(frames[0], frames[1], np.random.default_rng(0))
    assert 1 <= labels.max() <= 10 and set(np.unique(labels)) == set(range(int(labels.max()) + 1))
    assert overlap(labels == 1, masks[0] > 0) > 0.7


def test_a_moving_camera_alone_proposes_nothing():
    ground = texture(np.random.default_rng(5), 2 * HEIGHT, 2 * WIDTH, 20, 240)
    assert moving_regions(ground[20 : 20 + HEIGHT, 30 : 30 + WIDTH], ground[22 : 22 + HEIGHT, 31 : 31 + WIDTH]) == []


def test_a_tracked_object_is_kept_and_a_vanished_one_is_not(video, model):
    frames, masks = video
    start = masks[0].copy()
    start[:30, 120:] = 2
    vanishing = frames.copy()
    flat = np.full_like(frames[0], 128)
    vanishing[0, :30, 120:] = (250, 10, 10)
    vanishing[1:, :60, 100:] = flat[:60, 100:]
    labels, agreement = pseudo_label(model, vanishing, start, Rules())
    assert len(agreement) == 1 and agreement[0] >= Rules.agreement
    assert set(np.unique(labels[0])) == {0, 1} and np.array_equal(labels[0] == 1, masks[0] > 0)
    assert all(overlap(labels[t] == 1, masks[t] > 0) > 0.8 for t in range(6))


def test_a_clip_in_which_nothing_moves_is_dropped(video, model):
    frames, masks = video
    assert pseudo_label(model, np.repeat(frames[:1], 4, axis=0), masks[0], Rules()) is None


def test_rules():
    forward = np.zeros((3, 20, 20), np.uint8)
    forward[:, :10, :10] = 1
    forward[:, 12:, :4] = 2
    forward[2, 12:16, :4] = 0
    forward[2, 16:18, :4] = 0
    forward[:, :10, 12:] = 3
    backward = forward.copy()
    backward[0, :10, 12:14] = 0
    assert agree(forward, backward, Rules(agreement=0.8)) == {1: 1.0}  # 2 shrinks to a quarter, 3 comes back as three quarters
    assert agree(forward, backward, Rules(agreement=0.7, growth=5)) == {1: 1.0, 2: 1.0, 3: pytest.approx(0.75)}


def test_cuts_are_seen(video):
    frames, _ = video
    assert not is_cut(frames[0], frames[1]) and is_cut(frames[0], np.full_like(frames[0], 250))


def test_a_clip_of_a_video_file(video, model, tmp_path):
    frames, _ = video
    file = tmp_path / "made-up.avi"
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter_fourcc(*"MJPG"), 10, (WIDTH, HEIGHT))
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    found = [attempt(model, file, Video("p", file.name, (1, 1)), np.random.default_rng(n), 4, (97, 129), Rules()) for n in range(4)]
    found = [f for f in found if f is not None]
    assert found
    for pictures, labels, facts in found:
        assert pictures.shape == (4, 97, 129, 3) and labels.shape == (4, 97, 129)
        assert labels[0].max() == len(facts["agreement"]) > 0 and min(facts["agreement"]) >= 0.8
    assert attempt(model, file, Video("p", file.name, (1, 1), frames=3), np.random.default_rng(0), 4, (97, 129), Rules()) is None


def test_the_held_out_part_of_a_video_is_left_alone():
    (fixed,) = (v for v in pseudo.VIDEOS if v.name == "vtest.avi")
    assert fixed.frames == 500


@pytest.fixture
def stored(video, tmp_path):
    frames, masks = video
    labels = np.where(masks > 0, 4, 0).astype(np.uint8)
    labels[1:, :4] = IGNORED
    for _ in range(2):
        ClipWriter(tmp_path / "pseudo").add(frames, labels, video="v")
    return tmp_path / "pseudo"


def test_stored_clips_come_back_at_the_size_asked_for(stored):
    clips = StoredClips(stored)
    assert [c["file"] for c in clips.clips] == ["00000.npy", "00001.npy"]
    frames, labels = clips.clip(np.random.default_rng(0), 65, 97, 4)
    assert frames.shape == (4, 65, 97, 3) and labels.shape == (4, 65, 97)
    assert set(np.unique(labels[0])) == {0, 1} and set(np.unique(labels[1])) == {0, 1, IGNORED}
    again = clips.clip(np.random.default_rng(0), 65, 97, 4)
    assert np.array_equal(frames, again[0]) and np.array_equal(labels, again[1])
    with pytest.raises(ValueError, match="00000.npy has 6 frames; 7"):
        clips.clip(np.random.default_rng(0), 65, 97, 7)
    with pytest.raises(FileNotFoundError, match="index.json"):
        StoredClips(stored / "none")


def test_ids_are_those_of_the_first_frame():
    labels = np.array([[[0, 3, 7]], [[7, 5, IGNORED]]], np.uint8)
    assert compact(labels).tolist() == [[[0, 1, 2]], [[2, 0, IGNORED]]]


def test_only_the_last_phase_has_stored_clips(stored, materials):
    curriculum = (Phase(0.5, 49, 65, 2, 2, 0.0, 1.0), Phase(1.0, 65, 49, 3, 2, 0.0, 1.0))
    plain, mixed = Source(materials, curriculum), Source(materials, curriculum, Mixture(stored, 1.0, 1))
    for seed in range(3):
        for a, b in zip(plain.clip(np.random.default_rng(seed), 0), mixed.clip(np.random.default_rng(seed), 0)):
            assert np.array_equal(a, b)
        frames, labels = mixed.clip(np.random.default_rng(seed), 1)
        assert frames.shape == (3, 65, 49, 3) and (labels[1] == IGNORED).any()


def test_ignored_pixels_change_no_loss():
    torch.manual_seed(0)
    labels = torch.zeros(1, 20, 20, dtype=torch.long)
    labels[:, 5:15, 5:15] = 1
    logits = torch.randn(1, 2, 20, 20)
    masked = labels.clone()
    masked[:, :, 10:] = IGNORED
    changed = logits.clone()
    changed[..., 10:] = -3 * logits[..., 10:] + 1
    counts = torch.tensor([1])
    assert torch.equal(clip_loss(logits, masked, counts, 1.0)[0], clip_loss(changed, masked, counts, 1.0)[0])
    assert not torch.equal(clip_loss(logits, labels, counts, 1.0)[0], clip_loss(changed, labels, counts, 1.0)[0])
