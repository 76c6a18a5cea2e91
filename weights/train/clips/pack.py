"""Prepared materials as one small file, for a machine that cannot fetch them, and back.

    python -m clips.pack pack PREPARED materials.zip
    python -m clips.pack unpack materials.zip PREPARED

Photographs, video frames and cut-outs become WebP (lossy colour, lossless alpha), segments PNG. Only the training split is packed: a
checkpoint is chosen where the held-out pictures are.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing as mp
import os
import zipfile
from pathlib import Path

import cv2
import numpy as np

PHOTO_QUALITY, CUTOUT_QUALITY, VIDEO_QUALITY = 80, 85, 60
#: Frames kept of each video.
VIDEO_FRAMES = 300


def encode(extension: str, rgb: np.ndarray, quality: int | None = None) -> bytes:
    """RGB, RGBA or one channel, uint8 -> the bytes of an image file."""
    if rgb.ndim == 3:
        rgb = cv2.cvtColor(rgb, cv2.COLOR_RGBA2BGRA if rgb.shape[2] == 4 else cv2.COLOR_RGB2BGR)
    options = [] if quality is None else [cv2.IMWRITE_WEBP_QUALITY, quality]
    ok, data = cv2.imencode(extension, rgb, options)
    if not ok:
        raise ValueError(f"could not encode {rgb.shape} as {extension}")
    return data.tobytes()


def decode(data: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA if image.shape[2] == 4 else cv2.COLOR_BGR2RGB)
    return np.ascontiguousarray(image)


def pack(prepared: Path, out: Path) -> None:
    index = json.loads((prepared / "index.json").read_text())
    photos = index["photos"]  # segments point at photographs by number: this list stays whole
    for kind in ("segments", "cutouts", "videos"):
        index[kind] = [item for item in index[kind] if not item["held_out"]]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for item in photos:
            if not item["held_out"]:
                archive.writestr(item["file"], encode(".webp", np.load(prepared / item["file"]), PHOTO_QUALITY))
        for item in index["segments"]:
            archive.writestr(item["file"], encode(".png", np.load(prepared / item["file"]) * 255))
        for item in index["cutouts"]:
            archive.writestr(item["file"], encode(".webp", np.load(prepared / item["file"]), CUTOUT_QUALITY))
        for item in index["videos"]:
            for i, frame in enumerate(np.load(prepared / item["file"], mmap_mode="r")[:VIDEO_FRAMES]):
                archive.writestr(f"{item['file']}/{i:05d}", encode(".webp", np.ascontiguousarray(frame), VIDEO_QUALITY))
        archive.writestr("index.json", json.dumps(index))
    print(f"{out}: {out.stat().st_size / 2**20:.1f} MiB")


def write_part(archive_file: Path, out: Path, part: int, parts: int) -> None:
    """Every `parts`-th photograph, segment and cut-out."""
    cv2.setNumThreads(1)
    with zipfile.ZipFile(archive_file) as archive:
        names = [n for n in archive.namelist() if n.split("/")[0] in ("photos", "segments", "cutouts")]
        for name in names[part::parts]:
            image = decode(archive.read(name))
            np.save(out / name, (image > 127).astype(np.uint8) if name.startswith("segments/") else image)
        if part == 0:
            for item in json.loads(archive.read("index.json"))["videos"]:
                frames = sorted(n for n in archive.namelist() if n.startswith(item["file"] + "/"))
                np.save(out / item["file"], np.stack([decode(archive.read(n)) for n in frames]))
            (out / "index.json").write_bytes(archive.read("index.json"))


def unpack(archive_file: Path, out: Path) -> None:
    for kind in ("photos", "segments", "cutouts", "videos"):
        (out / kind).mkdir(parents=True, exist_ok=True)
    parts = os.cpu_count() or 1
    # A fork of a process that has used OpenCV's threads waits for ever for those that it did not take along.
    with mp.get_context("spawn").Pool(parts) as pool:
        pool.starmap(write_part, [(archive_file, out, part, parts) for part in range(parts)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("pack", "unpack"))
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    (pack if args.action == "pack" else unpack)(args.source, args.out)


if __name__ == "__main__":
    main()
