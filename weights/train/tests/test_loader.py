"""Batches from worker processes, and materials packed into one file."""

import json

import numpy as np

from clips.generator import ClipGenerator, Materials
from clips.loader import Loader, Pool
from clips.pack import decode, encode, pack, unpack
from train import Phase

CURRICULUM = (Phase(0.5, 49, 65, 2, 3, 0.0, 1.0), Phase(1.0, 65, 49, 3, 2, 0.0, 1.0))


def test_a_pool_draws_distinct_slots_and_gives_each_back_in_the_end():
    pool, rng = Pool(slots=8, uses=2, room=0), np.random.default_rng(0)
    for slot in range(8):
        pool.add(slot)
    drawn, released = [], []
    while pool.drawn:
        chosen = pool.draw(3, rng)
        assert len(set(chosen)) == len(chosen) > 0
        drawn += chosen
        released += pool.release()
    assert sorted(released) == list(range(8))
    assert all(drawn.count(slot) == 2 for slot in range(8))


def test_a_pool_without_room_gives_up_used_slots_only():
    pool, rng = Pool(slots=6, uses=9, room=2), np.random.default_rng(0)
    for slot in range(6):
        pool.add(slot)
    assert pool.release() == []  # nothing was used yet
    chosen = pool.draw(3, rng)
    released = pool.release()
    assert len(released) == 2 and set(released) <= set(chosen)


def test_batches_are_the_clips_that_the_workers_drew(materials):
    loader = Loader(CURRICULUM, materials, seed=5, start=0, workers=1)
    try:
        generator = ClipGenerator(Materials(materials, validation=False), 49, 65, 2, 1.0)
        expected = [generator.clip(np.random.default_rng((5, 0, n))) for n in range(24)]
        for _ in range(2):
            batch = loader.batch(0)
            assert batch.phase == 0 and batch.frames.shape == (3, 2, 49, 65, 3)
            for frames, labels, count in zip(batch.frames.numpy(), batch.labels.numpy(), batch.counts.tolist()):
                assert any(np.array_equal(frames, f) and np.array_equal(labels, l) for f, l in expected)
                assert count == labels[0].max()
        phases = [loader.batch(1).phase for _ in range(3)]
        assert phases[1:] == [1, 1]
    finally:
        loader.close()


def test_clips_serve_several_batches_where_workers_are_slow(materials):
    loader = Loader(CURRICULUM, materials, seed=5, start=0, workers=1, uses=4)
    try:
        for _ in range(12):
            loader.batch(0)
        assert loader.served >= 36 and loader.made * 4 >= loader.served
    finally:
        loader.close()


def test_materials_survive_packing(materials, tmp_path):
    pack(materials, tmp_path / "materials.zip")
    unpack(tmp_path / "materials.zip", tmp_path / "prepared")
    before, after = Materials(materials, validation=False), Materials(tmp_path / "prepared", validation=False)
    assert before.photo_ids == after.photo_ids and before.segments == after.segments and before.cutouts == after.cutouts
    for segment in before.segments:
        assert np.array_equal(before.load(segment["file"]), after.load(segment["file"]))
    for item in before.cutouts["stamp"]:
        a, b = before.load(item["file"]), after.load(item["file"])
        assert np.array_equal(a[..., 3], b[..., 3])
        inside = a[..., 3] > 0
        assert np.abs(a[inside].astype(int) - b[inside]).mean() < 4
    video = after.load(before.videos[0]["file"])
    assert video.shape == before.load(before.videos[0]["file"]).shape
    held = {p["file"] for p in json.loads((materials / "index.json").read_text())["photos"] if p["held_out"]}
    assert held and not any((tmp_path / "prepared" / file).exists() for file in held)


def test_colours_keep_their_order():
    rgb = np.zeros((16, 16, 3), np.uint8)
    rgb[...] = (200, 30, 90)
    assert np.abs(decode(encode(".webp", rgb, 90)).astype(int) - rgb).max() <= 6
