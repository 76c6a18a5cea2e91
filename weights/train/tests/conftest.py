"""Makes the sources importable from the tests' folder; a few made-up pictures as prepared materials."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


@pytest.fixture(scope="session")
def materials(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    rng = np.random.default_rng(0)
    for kind in ("photos", "cutouts", "segments", "videos"):
        (folder / kind).mkdir()
    index = {"photos": [], "cutouts": [], "segments": [], "videos": []}
    for i in range(4):
        photo = cv2.resize(rng.integers(0, 255, (30, 40, 3), dtype=np.uint8), (400, 300), interpolation=cv2.INTER_CUBIC)
        np.save(folder / f"photos/{i}.npy", photo)
        index["photos"].append({"file": f"photos/{i}.npy", "name": str(i), "held_out": i == 3})
        mask = np.zeros((300, 400), np.uint8)
        cv2.circle(mask, (200, 150), 60, 1, -1)
        np.save(folder / f"segments/{i}.npy", mask)
        index["segments"].append({"file": f"segments/{i}.npy", "photo": i, "kind": "thing", "held_out": i == 3})
        for kind in ("stamp", "sprite"):
            rgba = np.zeros((80, 100, 4), np.uint8)
            cv2.ellipse(rgba, (50, 40), (45, 30), 0, 0, 360, (*(int(v) for v in rng.integers(0, 255, 3)), 255), -1)
            np.save(folder / f"cutouts/{kind}{i}.npy", rgba)
            index["cutouts"].append({"file": f"cutouts/{kind}{i}.npy", "name": kind, "kind": kind, "held_out": i == 3})
    np.save(folder / "videos/0.npy", rng.integers(0, 255, (60, 90, 120, 3), dtype=np.uint8))
    index["videos"].append({"file": "videos/0.npy", "name": "v", "held_out": False})
    (folder / "index.json").write_text(json.dumps(index))
    return folder
