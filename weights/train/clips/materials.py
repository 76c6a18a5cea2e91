"""Turn the fetched packages into photographs, cut-outs and segments, ready to be memory-mapped by the generator.

    python -m clips.materials --encoder mobilenetv2.safetensors [--cache DIR] [--out DIR]

Four kinds of material, each one `.npy` file per item, with a `index.json` beside them:

* `photos`    uint8 [H, W, 3] RGB, short side <= 512;
* `cutouts`   uint8 [h, w, 4] RGBA, photographic stamps and shaded sprites;
* `videos`    uint8 [N, 360, 480, 3], frames of a fixed real camera;
* `segments`  uint8 [H, W] masks of one region of one photograph, found without labels.

Segments come from two sources. Normalised cuts of the token affinity of a 16x ImageNet feature map, refined by GrabCut
(TokenCut, Wang et al. 2022; MaskCut, Wang et al. 2023), give whole things; merged Felzenszwalb regions give parts and
stuff. About one item in ten, chosen by a hash of its name, is held out for validation and never trained on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import struct
from pathlib import Path

import cv2
import numpy as np
import torch

from deaot.init import load_imagenet_encoder
from deaot.mobilenetv2 import MobileNetV2
from deaot.goldens import prepare
from fetch_data import DEFAULT_CACHE

#: Pictures that are drawings, logos, text, calibration boards or near-duplicates: of no use as real texture.
PHOTO_FOLDERS = (
    ("plasma-workspace-wallpapers", "usr/share/wallpapers", "contents/images/"),
    ("mate-backgrounds", "usr/share/backgrounds/mate/nature", ""),
    ("ukui-wallpapers", "usr/share/backgrounds", ""),
    ("lomiri-wallpapers-16.04", "usr/share/backgrounds", ""),
    ("lomiri-wallpapers-20.04", "usr/share/backgrounds", ""),
)
PHOTO_FILES = (
    ("python3-skimage", "skimage/data", "coffee camera astronaut gravel brick motorcycle_left rocket chelsea grass coins retina"),
    ("opencv-doc", "examples/data", "fruits baboon leuvenA home squirrel_cls aloeL board butterfly starry_night orange apple messi5 stuff "
     "smarties rubberwhale1 graf1 aero1 licenseplate_motion pca_test1 basketball1 cards box lena ela_original"),
    ("opencv-doc", "examples/alphamat/input_images", "plant"),
    ("opencv-doc", "examples/text", "scenetext01 scenetext02 scenetext03 scenetext04 scenetext05 scenetext06"),
)
#: Archives of the educational suite whose pictures are photographs.
PHOTO_ARCHIVES = ("categorization", "explore_monuments", "explore_farm_animals", "explore_world_animals", "erase", "lang", "details", "paintings")
STAMP_SKIP = ("/cartoon", "/symbols/alphabets", "/symbols/math", "/symbols/music", "/symbols/shapes", "/symbols/chess", "/flags/", "_mirror", "_flip", "/symbols/money/00", "/symbols/faces")
SPRITES_KEPT = 700


def held_out(name: str) -> bool:
    """One item in ten belongs to the validation set."""
    return hashlib.sha1(name.encode()).digest()[0] < 26


def find_package(cache: Path, name: str) -> Path:
    matches = sorted(cache.glob(f"{name.replace('@', '').replace('/', '-')}-*"))
    matches = [m for m in matches if (m / ".complete").exists()]
    if not matches:
        raise FileNotFoundError(f"{name} is not in {cache}; run fetch_data.py")
    return matches[0]


def shrink(image: np.ndarray, limit: int, side: str) -> np.ndarray:
    """Area-resample so that the short or the long side is at most `limit`."""
    edge = min(image.shape[:2]) if side == "short" else max(image.shape[:2])
    if edge <= limit:
        return image
    k = limit / edge
    return cv2.resize(image, (round(image.shape[1] * k), round(image.shape[0] * k)), interpolation=cv2.INTER_AREA)


def to_rgba(image: np.ndarray | None) -> np.ndarray | None:
    """OpenCV image of any kind -> uint8 RGBA, or None."""
    if image is None:
        return None
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.dtype != np.uint8:
        return None
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGBA)
    return cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA if image.shape[2] == 4 else cv2.COLOR_BGR2RGBA)


def pictures_in_archive(data: bytes):
    """WebP and JPEG streams stored whole inside a resource archive."""
    position = 0
    while (position := data.find(b"RIFF", position)) >= 0:
        if data[position + 8 : position + 12] == b"WEBP":
            size = struct.unpack("<I", data[position + 4 : position + 8])[0] + 8
            yield data[position : position + size]
            position += size
        else:
            position += 4
    position = 0
    while (position := data.find(b"\xff\xd8\xff", position)) >= 4:
        size = struct.unpack(">I", data[position - 4 : position])[0]
        if 4096 < size <= len(data) - position:
            yield data[position : position + size]
            position += size
        else:
            position += 3


def is_photo(rgba: np.ndarray) -> bool:
    """Opaque, large enough, with texture and many colours: drawings on flat ground fail."""
    if min(rgba.shape[:2]) < 200 or rgba[..., 3].min() < 255:
        return False
    small = cv2.resize(rgba[..., :3], (128, 128), interpolation=cv2.INTER_AREA)
    gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    flat = (np.abs(cv2.Laplacian(gray, cv2.CV_32F)) < 1.0).mean()
    border = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
    return flat < 0.55 and (border.min(axis=1) > 245).mean() < 0.6 and gray.std() > 12


def collect_photos(cache: Path):
    """(name, uint8 RGB) of every photograph."""
    files: list[Path] = []
    for package, folder, part in PHOTO_FOLDERS:
        root = find_package(cache, package) / folder
        files += [p for p in sorted(root.rglob("*")) if part in str(p) and p.suffix.lower() in (".jpg", ".png", ".webp")]
    for package, folder, names in PHOTO_FILES:
        wanted = set(names.split())
        root = find_package(cache, package)
        files += [p for p in sorted(root.rglob("*")) if folder in str(p) and p.stem in wanted and p.suffix in (".jpg", ".png")]
    for path in files:
        rgba = to_rgba(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
        if rgba is not None and is_photo(rgba):
            yield f"{path.parent.name}-{path.stem}", shrink(rgba[..., :3], 512, "short")
    for archive in sorted(find_package(cache, "gcompris-qt-data").rglob("*.rcc")):
        if archive.stem in PHOTO_ARCHIVES:
            for i, data in enumerate(pictures_in_archive(archive.read_bytes())):
                rgba = to_rgba(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))
                if rgba is not None and is_photo(rgba):
                    yield f"{archive.stem}-{i}", shrink(rgba[..., :3], 512, "short")


def trim(rgba: np.ndarray) -> np.ndarray | None:
    """Cut to the visible part; None where there is too little of it."""
    ys, xs = np.nonzero(rgba[..., 3] > 127)
    if len(ys) < 400:
        return None
    rgba = rgba[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    return rgba if min(rgba.shape[:2]) >= 12 and len(ys) < 0.98 * rgba.shape[0] * rgba.shape[1] else None


def collect_cutouts(cache: Path):
    """(name, kind, uint8 RGBA): stamps are photographs, sprites are shaded drawings."""
    stamps = find_package(cache, "tuxpaint-stamps-default") / "usr/share/tuxpaint/stamps"
    for path in sorted(stamps.rglob("*.png")):
        if not any(s in str(path) for s in STAMP_SKIP):
            rgba = to_rgba(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
            rgba = trim(shrink(rgba, 320, "long")) if rgba is not None else None
            if rgba is not None:
                yield f"stamp-{path.stem}", "stamp", rgba
    sprites = sorted(p for p in find_package(cache, "@lobehub/fluent-emoji-3d").rglob("*") if p.suffix in (".webp", ".png"))
    sprites.sort(key=lambda p: hashlib.sha1(p.stem.encode()).digest())
    for path in sprites[:SPRITES_KEPT]:
        rgba = to_rgba(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
        rgba = trim(shrink(rgba, 224, "long")) if rgba is not None else None
        if rgba is not None:
            yield f"sprite-{path.stem}", "sprite", rgba


#: Fixed real cameras: (package, file, frames in the training half).
VIDEO_SOURCES = (("opencv-doc", "vtest.avi", 500),)


def collect_videos(cache: Path):
    """(name, held_out, uint8 [N, 360, 480, 3]): the first part of each video is for training, the last for validation."""
    for package, name, split in VIDEO_SOURCES:
        (path,) = find_package(cache, package).rglob(name)
        reader, frames = cv2.VideoCapture(str(path)), []
        while True:
            ok, bgr = reader.read()
            if not ok:
                break
            frames.append(cv2.cvtColor(cv2.resize(bgr, (480, 360), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB))
        yield f"{name}-first", False, np.stack(frames[:split])
        yield f"{name}-last", True, np.stack(frames[split:])


def token_features(encoder: MobileNetV2, rgb: np.ndarray) -> np.ndarray:
    """Unit 96-d vectors of the 16x map, [h, w, 96]."""
    h, w = (16 * round((s - 1) / 16) + 1 for s in rgb.shape[:2])
    image = prepare(torch.from_numpy(cv2.resize(rgb, (w, h), interpolation=cv2.INTER_AREA)))
    with torch.no_grad():
        f = encoder(image)[2][0].permute(1, 2, 0)
    return torch.nn.functional.normalize(f, dim=-1).numpy()


def normalised_cuts(tokens: np.ndarray, count: int = 3, threshold: float = 0.35) -> list[np.ndarray]:
    """Up to `count` bipartitions of the token graph; each returns the side of the strongest eigenvector entry.

    Edges are 1 where the cosine exceeds the threshold and 1e-5 elsewhere; tokens of earlier masks are removed.
    """
    h, w, c = tokens.shape
    flat = tokens.reshape(-1, c)
    flat = flat - flat.mean(0)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True) + 1e-6
    alive = np.ones(h * w, bool)
    masks = []
    for _ in range(count):
        index = np.nonzero(alive)[0]
        if len(index) < 30:
            break
        affinity = np.where(flat[index] @ flat[index].T > threshold, 1.0, 1e-5)
        degree = affinity.sum(1)
        normal = affinity / np.sqrt(degree[:, None] * degree[None, :])
        _, vectors = np.linalg.eigh(normal)
        vector = vectors[:, -2] / np.sqrt(degree)
        side = vector > vector.mean()
        seed = np.abs(vector).argmax()
        if not side[seed]:
            side = ~side
        mask = np.zeros(h * w, np.uint8)
        mask[index[side]] = 1
        label_count, labels = cv2.connectedComponents(mask.reshape(h, w))
        chosen = labels.reshape(-1)[index[seed]]
        if chosen == 0 or label_count < 2:
            break
        part = (labels == chosen).astype(np.uint8)
        masks.append(part)
        alive &= part.reshape(-1) == 0
    return masks


def grabcut(rgb: np.ndarray, coarse: np.ndarray) -> np.ndarray | None:
    """Refine a coarse mask with GrabCut in a band around its edge, at a working size of 256 pixels."""
    k = 256 / max(rgb.shape[:2])
    size = (round(rgb.shape[1] * k), round(rgb.shape[0] * k))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    soft = cv2.resize(coarse.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    trimap = np.where(soft > 0.9, cv2.GC_FGD, np.where(soft > 0.5, cv2.GC_PR_FGD, np.where(soft > 0.05, cv2.GC_PR_BGD, cv2.GC_BGD))).astype(np.uint8)
    trimap[(cv2.dilate((soft > 0.5).astype(np.uint8), np.ones((9, 9))) > 0) & (trimap == cv2.GC_BGD)] = cv2.GC_PR_BGD
    if (trimap == cv2.GC_FGD).sum() < 20 or (trimap == cv2.GC_BGD).sum() < 20:
        return None
    try:
        cv2.grabCut(small, trimap, None, np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK)
    except cv2.error:
        return None
    mask = ((trimap == cv2.GC_FGD) | (trimap == cv2.GC_PR_FGD)).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    mask = largest_component(mask)
    union = ((mask > 0) | (soft > 0.5)).sum()
    if mask.sum() == 0 or ((mask > 0) & (soft > 0.5)).sum() / union < 0.45:
        return None
    full = cv2.resize(mask.astype(np.float32), (rgb.shape[1], rgb.shape[0]), interpolation=cv2.INTER_CUBIC)
    return (cv2.GaussianBlur(full, (0, 0), 1.5) > 0.5).astype(np.uint8)


def largest_component(mask: np.ndarray) -> np.ndarray:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    if count <= 1:
        return mask
    return (labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)


def plausible(mask: np.ndarray) -> bool:
    """Area 1.5 to 40 % of the picture, not a band across it, reasonably compact."""
    area = mask.mean()
    if not 0.015 < area < 0.4:
        return False
    touching = [mask[0].mean(), mask[-1].mean(), mask[:, 0].mean(), mask[:, -1].mean()]
    if sum(t > 0.25 for t in touching) >= 2 or max(touching) > 0.8:
        return False
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    hull = cv2.contourArea(cv2.convexHull(max(contours, key=cv2.contourArea)))
    return mask.sum() > 0.45 * hull


def region_masks(rgb: np.ndarray, rng: np.random.Generator, count: int = 3) -> list[np.ndarray]:
    """Felzenszwalb regions at several scales that look like closed things."""
    from skimage.segmentation import felzenszwalb

    k = 256 / max(rgb.shape[:2])
    small = cv2.resize(rgb, (round(rgb.shape[1] * k), round(rgb.shape[0] * k)), interpolation=cv2.INTER_AREA)
    found: list[np.ndarray] = []
    for scale in (200, 500, 1000):
        labels = felzenszwalb(small, scale=scale, sigma=0.8, min_size=150)
        ids = np.unique(labels)
        for i in rng.permutation(ids)[:40]:
            mask = (labels == i).astype(np.uint8)
            mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
            mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
            mask = largest_component(mask)
            if mask.any() and plausible(mask):
                texture = small[mask > 0].std(axis=0).mean()
                if texture > 10 and all((m & mask).sum() < 0.5 * min(m.sum(), mask.sum()) for m in found):
                    found.append(mask)
                    break
    result = []
    for mask in found[:count]:
        full = cv2.resize(mask.astype(np.float32), (rgb.shape[1], rgb.shape[0]), interpolation=cv2.INTER_CUBIC)
        result.append((cv2.GaussianBlur(full, (0, 0), 1.5) > 0.5).astype(np.uint8))
    return result


def segments_of(encoder: MobileNetV2, rgb: np.ndarray, rng: np.random.Generator) -> list[tuple[str, np.ndarray]]:
    """(kind, mask) of a photograph: `thing` from normalised cuts, `region` from colour."""
    found: list[tuple[str, np.ndarray]] = []
    tokens = token_features(encoder, shrink(rgb, 480, "long"))
    for coarse in normalised_cuts(tokens):
        mask = grabcut(rgb, coarse)
        if mask is not None and plausible(mask):
            found.append(("thing", mask))
    for mask in region_masks(rgb, rng):
        if all((m & mask).sum() < 0.5 * min(m.sum(), mask.sum()) for _, m in found):
            found.append(("region", mask))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    parser.add_argument("--out", type=Path, default=DEFAULT_CACHE.parent / "prepared")
    parser.add_argument("--encoder", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    encoder = MobileNetV2().eval()
    load_imagenet_encoder(encoder, args.encoder)
    index: dict[str, list[dict]] = {"photos": [], "cutouts": [], "segments": [], "videos": []}
    for kind in index:
        (args.out / kind).mkdir(parents=True, exist_ok=True)
    for name, kind, rgba in collect_cutouts(args.cache):
        file = f"cutouts/{len(index['cutouts']):05d}.npy"
        np.save(args.out / file, rgba)
        index["cutouts"].append({"file": file, "name": name, "kind": kind, "held_out": held_out(name)})
    print(f"{len(index['cutouts'])} cut-outs", flush=True)
    for name, held, frames in collect_videos(args.cache):
        file = f"videos/{len(index['videos']):05d}.npy"
        np.save(args.out / file, frames)
        index["videos"].append({"file": file, "name": name, "held_out": held})
    rng = np.random.default_rng(0)
    for name, rgb in collect_photos(args.cache):
        file = f"photos/{len(index['photos']):05d}.npy"
        np.save(args.out / file, np.ascontiguousarray(rgb))
        photo = {"file": file, "name": name, "held_out": held_out(name)}
        for kind, mask in segments_of(encoder, rgb, rng):
            segment = f"segments/{len(index['segments']):05d}.npy"
            np.save(args.out / segment, mask)
            index["segments"].append({"file": segment, "photo": len(index["photos"]), "kind": kind, "held_out": photo["held_out"]})
        index["photos"].append(photo)
        if len(index["photos"]) % 50 == 0:
            print(f"{len(index['photos'])} photographs, {len(index['segments'])} segments", flush=True)
    (args.out / "index.json").write_text(json.dumps(index, indent=1))
    print(f"{len(index['photos'])} photographs, {len(index['segments'])} segments", flush=True)


if __name__ == "__main__":
    main()
