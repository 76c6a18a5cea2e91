"""Train DeAOT on synthetic clips, on a CPU (bfloat16 with AMX or AVX-512) or on CUDA.

    python train.py --encoder mobilenetv2-bn-folded.safetensors --run DIR --minutes 100

The schedule is a function of the share of `--minutes` that has been trained, so that a run ends when it has to. A run
that stops, for whatever reason, goes on with the same command; with a larger `--minutes` it goes on for longer.
In DIR: `last.pt` (everything needed to resume), `ema-*.safetensors` (averaged weights after each validation, official
keys), `log.txt`, `history.jsonl`.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clips.generator import ClipGenerator, Materials
from clips.loader import Batch, Loader, Mixture
from clips.stored import IGNORED, StoredClips
from deaot import DeAOT, Engine, IMAGE_MEAN, IMAGE_STD, one_hot
from deaot.checkpoint import load_weights, save_weights
from deaot.equivariance import Equivariance
from deaot.init import initialise
from deaot.model import Features
from deaot.trunk import FROZEN_BLOCKS, FrozenTrunk

MASKED = -1e4


@dataclass(frozen=True)
class Phase:
    """One leg of the curriculum. until: share of the run at which it ends; own: share of clips fed their own predictions;
    zoom: typical object size; stage4: whether blocks 14 .. 17 of the encoder train."""

    until: float
    height: int
    width: int
    frames: int
    batch: int
    own: float
    zoom: float
    stage4: bool = True


CURRICULA: dict[str, tuple[Phase, ...]] = {
    "cpu": (
        Phase(0.15, 193, 193, 3, 8, 0.0, 1.3, stage4=False),
        Phase(0.55, 257, 257, 4, 4, 0.5, 1.2),
        Phase(0.85, 257, 449, 4, 2, 0.6, 1.0),
        Phase(1.00, 353, 641, 4, 1, 0.7, 0.9, stage4=False),
    ),
    "cuda": (
        Phase(0.35, 257, 257, 4, 32, 0.5, 1.2),
        Phase(0.65, 257, 449, 5, 20, 0.6, 1.0),
        Phase(1.00, 353, 641, 5, 14, 0.7, 0.9),
    ),
    "last": (Phase(1.00, 257, 449, 4, 2, 0.6, 1.0),),
    "long": (Phase(1.00, 257, 449, 8, 1, 0.8, 1.0),),
    "tiny": (Phase(0.5, 97, 97, 3, 2, 0.0, 1.3), Phase(1.00, 97, 129, 3, 2, 0.5, 1.0)),
}


def phase_at(curriculum: tuple[Phase, ...], progress: float) -> int:
    for i, phase in enumerate(curriculum):
        if progress < phase.until:
            return i
    return len(curriculum) - 1


def normalise(frames: Tensor) -> Tensor:
    """uint8 [..., H, W, 3] -> float [N, 3, H, W], channels last in memory."""
    mean, std = torch.tensor(IMAGE_MEAN, device=frames.device) * 255, torch.tensor(IMAGE_STD, device=frames.device) * 255
    flat = frames.flatten(0, -4).float()
    return ((flat - mean) / std).permute(0, 3, 1, 2)


# --- the training forward pass ------------------------------------------------------------------------------------


def encode(model: DeAOT, trunk: FrozenTrunk, images: Tensor, stage4: bool = True) -> Features:
    f4, f8, f16 = trunk(images)
    x = f16
    with torch.set_grad_enabled(stage4):
        for block in model.encoder.features[FROZEN_BLOCKS:-1]:
            x = block(x)
    x = model.encoder.features[-1](x)
    return Features(f4, f8, f16, model.encoder_projector(x).flatten(2).transpose(1, 2))


def argmax(logits: Tensor) -> Tensor:
    """Over axis 1, ties to the lowest index. [B, C, H, W] -> [B, H, W]; plain passes beat the strided reduction on a CPU."""
    best, index = logits[:, 0], torch.zeros_like(logits[:, 0], dtype=torch.long)
    for c in range(1, logits.shape[1]):
        larger = logits[:, c] > best
        best = torch.where(larger, logits[:, c], best)
        index = torch.where(larger, c, index)
    return index


def clip_loss(logits: Tensor, labels: Tensor, counts: Tensor, hard_share: float) -> tuple[Tensor, Tensor]:
    """Half cross entropy over the hardest share of the pixels, half soft Jaccard over the objects.

    logits: float [B, 11, H, W] with unused identities masked; labels: [B, H, W], pixels labelled `IGNORED` count nowhere;
    counts: objects per clip [B].
    Returns the loss and the mean IoU of the hard prediction, both scalars.
    """
    ce = F.cross_entropy(logits, labels, reduction="none", ignore_index=IGNORED).flatten(1)
    if hard_share < 1:
        ce = ce.topk(int(hard_share * ce.shape[1]), dim=1).values
    valid = (labels != IGNORED)[:, None].float()
    probabilities = logits.softmax(1) * valid
    truth = one_hot(labels, logits.shape[1])
    both = (probabilities * truth).sum((2, 3))
    union = (probabilities + truth).sum((2, 3)) - both
    ids = torch.arange(logits.shape[1], device=logits.device)[None]
    used = ((ids >= 1) & (ids <= counts[:, None])).float()
    jaccard = 1 - (both + 1) / (union + 1)
    jaccard = ((jaccard * used).sum(1) / used.sum(1)).mean()
    with torch.no_grad():
        hard = one_hot(argmax(logits), logits.shape[1]) * valid
        hit = (hard * truth).sum((2, 3))
        iou = (hit + 1e-6) / ((hard + truth).sum((2, 3)) - hit + 1e-6)
        iou = ((iou * used).sum(1) / used.sum(1)).mean()
    return 0.5 * ce.mean() + 0.5 * jaccard, iou


def train_step(model: DeAOT, trunk: FrozenTrunk, clips: Batch, own: float, hard_share: float, generator: torch.Generator, stage4: bool = True) -> tuple[Tensor, Tensor]:
    """Loss of a batch of clips (and its mean IoU), memories written from the truth or from the model's own labels.

    Nothing here waits for the device.
    """
    batch, steps, height, width = clips.labels.shape
    device = model.id_norm.weight.device
    frames, labels = clips.frames.to(device, non_blocking=True), clips.labels.to(device, non_blocking=True).long()
    used = int(clips.counts.max()) + 1  # channels above the largest id of the batch take no part in the loss
    counts = clips.counts.to(device, non_blocking=True)
    features = encode(model, trunk, normalise(frames), stage4)
    by_time = [Features(*(getattr(features, k).unflatten(0, (batch, steps))[:, t] for k in ("f4", "f8", "f16", "tokens"))) for t in range(steps)]
    size = by_time[0].size
    classes = model.config.max_objects + 1
    unused = torch.arange(used, device=labels.device)[None] > counts[:, None]

    if model.config.layers == 1:  # the memory of a single layer needs no attention on the reference frame
        layer = model.LSTT.layers[0]
        seed, _ = layer.project(by_time[0].tokens, torch.zeros_like(by_time[0].tokens))
        long = [layer.memorise(seed, model.id_embedding(one_hot(labels[:, 0], classes)))]
    else:
        _, _, long = model.LSTT(by_time[0].tokens, size, model.id_embedding(one_hot(labels[:, 0], classes)))
    short = long
    total, ious = 0.0, []
    feed_own = (torch.rand(batch, generator=generator) < own).to(device, non_blocking=True)
    grow = steps > 3 and bool(torch.rand((), generator=generator) < 0.3)
    for t in range(1, steps):
        output, seeds, _ = model.LSTT(by_time[t].tokens, size, long=long, short=short)
        logits4 = model.decode(output, by_time[t])[:, :used].float().masked_fill(unused[:, :, None, None], MASKED)
        logits = F.interpolate(logits4, (height, width), mode="bilinear", align_corners=model.config.align_corners)
        loss, iou = clip_loss(logits, labels[:, t], counts, hard_share)
        total = total + loss / (steps - 1)
        ious.append(iou)
        if t + 1 < steps:
            memory = torch.where(feed_own[:, None, None] | (labels[:, t] == IGNORED), argmax(logits.detach()), labels[:, t])
            short = model.LSTT.memorise(seeds, model.id_embedding(one_hot(memory, classes)))
            if grow and t == 1:  # a long-term memory of two frames, as with a finite gap
                long = [a.then(b) for a, b in zip(long, short)]
    return total, torch.stack(ious).mean()


# --- optimisation -------------------------------------------------------------------------------------------------


def parameter_groups(model: DeAOT, lr: float, encoder_factor: float, weight_decay: float) -> list[dict]:
    """Decay on matrices only; the rewritten stage 4 and the projector learn slower, blocks 0 .. 13 not at all."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, p in model.named_parameters():
        parts = name.split(".")
        if parts[0] == "encoder" and int(parts[2]) < FROZEN_BLOCKS:
            p.requires_grad_(False)
            continue
        rate = lr * encoder_factor if parts[0] in ("encoder", "encoder_projector") else lr
        decay = 0.0 if p.dim() == 1 or "relative_emb" in name or "conv_out" in name else weight_decay
        groups.setdefault((rate, decay), []).append(p)
    return [{"params": v, "lr": r, "base_lr": r, "weight_decay": d} for (r, d), v in groups.items()]


def learning_rate(progress: float) -> float:
    """Factor on the base rates: warm-up over 2 %, then a half cosine down to 3 %."""
    if progress < 0.02:
        return 0.05 + 0.95 * progress / 0.02
    return 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - 0.02) / 0.98)))


class Average:
    """Exponential moving average of all weights, with a warm-up."""

    def __init__(self, model: nn.Module, decay: float = 0.998) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay, self.count = decay, 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        self.count += 1
        decay = min(self.decay, (1 + self.count) / (10 + self.count))
        pairs = [(a, b) for a, b in zip(self.model.parameters(), model.parameters()) if b.requires_grad]
        torch._foreach_lerp_([a for a, _ in pairs], [b for _, b in pairs], 1 - decay)


# --- validation ---------------------------------------------------------------------------------------------------


@torch.no_grad()
def validate(model: DeAOT, materials: Materials, clips: int, size: tuple[int, int], frames: int, autocast) -> float:
    """Mean IoU over objects and frames on a fixed set of clips from held-out pictures, tracked as at inference."""
    generator = ClipGenerator(materials, *size, frames)
    generator.video_share = 0.3
    device = next(model.parameters()).device
    scores = []
    for number in range(clips):
        pictures, labels = generator.clip(np.random.default_rng((987, number)))
        images = normalise(torch.from_numpy(pictures).to(device))
        truth = torch.from_numpy(labels.astype(np.int64)).to(device)
        objects = int(truth[0].max())
        engine = Engine(model)
        with autocast():
            engine.add_reference(images[:1], truth[:1], objects)
            for t in range(1, frames):
                engine.propagate(images[t : t + 1])
                predicted = engine.decode(size).argmax(1)
                engine.update_memory(predicted)
                for i in range(1, objects + 1):
                    a, b = predicted[0] == i, truth[t] == i
                    union = (a | b).sum()
                    scores.append(1.0 if union == 0 else float((a & b).sum() / union))
    return float(np.mean(scores))


# --- the run ------------------------------------------------------------------------------------------------------


def save_checkpoint(path: Path, **state) -> None:
    """Atomic: a run killed while writing keeps the previous file."""
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder of this run")
    parser.add_argument("--encoder", type=Path, help="ImageNet MobileNetV2, batch norm folded (safetensors)")
    parser.add_argument("--materials", type=Path, default=Path.home() / ".cache/samtrack-train/prepared")
    parser.add_argument("--model", default="deaott")
    parser.add_argument("--init", type=Path, help="start from these weights instead of the analytic start")
    parser.add_argument("--minutes", type=float, required=True, help="length of the whole run, in minutes of training")
    parser.add_argument("--max-steps", type=int, default=10**9)
    parser.add_argument("--curriculum", choices=sorted(CURRICULA), default=None)
    parser.add_argument("--lr", type=float, default=4e-4)
    parser.add_argument("--encoder-factor", type=float, default=0.25)
    parser.add_argument("--weight-decay", type=float, default=0.03)
    parser.add_argument("--free-identity", action="store_true", help="do not keep the object channels equivariant")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--clip-uses", type=int, default=1, help="the most batches one clip may serve where the workers are slower than the device")
    parser.add_argument("--kinds", type=float, default=0.0, help="share of the clips that are of one of the hard kinds (clips.kinds), 0 to 1")
    parser.add_argument("--pseudo", type=Path, help="mix clips of this folder (clips.pseudo) into the last phase")
    parser.add_argument("--pseudo-share", type=float, default=0.3, help="share of those clips, 0 to 1")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--validate-minutes", type=float, default=10)
    parser.add_argument("--validation-clips", type=int, default=24, help="0: write the averaged weights only")
    parser.add_argument("--half", action="store_true", help="averaged weights in half precision")
    parser.add_argument("--no-resume", action="store_true", help="do not write last.pt")
    args = parser.parse_args()

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    curriculum = CURRICULA[args.curriculum or device.type]
    if not 0 <= args.kinds <= 1:
        parser.error(f"--kinds {args.kinds}: must be 0 to 1")
    mixture = None
    if args.pseudo is not None:
        if not 0 <= args.pseudo_share <= 1:
            parser.error(f"--pseudo-share {args.pseudo_share}: must be 0 to 1")
        mixture = Mixture(args.pseudo, args.pseudo_share, len(curriculum) - 1)
        StoredClips(args.pseudo).require(curriculum[-1].frames)
    args.run.mkdir(parents=True, exist_ok=True)
    log_file = open(args.run / "log.txt", "a")

    def log(text: str) -> None:
        line = f"{time.strftime('%H:%M:%S')} {text}"
        print(line, flush=True)
        print(line, file=log_file, flush=True)

    def autocast():
        return torch.autocast(device.type, dtype=torch.bfloat16)

    model = DeAOT.named(args.model, drop_path=0.1)
    if args.init is not None:
        load_weights(model, args.init)
    else:
        if args.encoder is None:
            parser.error("--encoder or --init is needed")
        initialise(model, args.encoder, args.seed)
    model.to(device).train()
    equivariance = None if args.free_identity or model.config.layers != 1 else Equivariance(model)
    optimiser = torch.optim.AdamW(parameter_groups(model, args.lr, args.encoder_factor, args.weight_decay), betas=(0.9, 0.98), fused=device.type == "cuda")
    average = Average(model)
    step, clips, elapsed = 0, 0, 0.0
    checkpoint = args.run / "last.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location="cpu", weights_only=False)
        model.load_state_dict(state["model"])
        average.model.load_state_dict(state["ema"])
        average.count = state["ema_count"]
        optimiser.load_state_dict(state["optimiser"])
        step, clips, elapsed = state["step"], state["clips"], state["elapsed"]
        log(f"resumed at step {step}, {elapsed / 60:.1f} of {args.minutes:.1f} minutes")
    trunk = FrozenTrunk(model.encoder)
    for block in trunk.blocks:
        block.to(device)
    generator = torch.Generator().manual_seed(args.seed * 1000003 + step)
    torch.manual_seed(args.seed * 1000003 + step)
    held_out = Materials(args.materials, validation=True) if args.validation_clips else None
    size = (257, 449) if args.curriculum != "tiny" else (97, 97)

    def save() -> None:
        if args.no_resume:
            return
        save_checkpoint(checkpoint, model=model.state_dict(), ema=average.model.state_dict(), ema_count=average.count,
                        optimiser=optimiser.state_dict(), step=step, clips=clips, elapsed=elapsed)

    def check() -> None:
        save_weights(average.model.state_dict(), args.run / f"ema-{step:06d}.safetensors", torch.float16 if args.half else torch.float32)
        if held_out is None:
            return
        iou = validate(average.model, held_out, args.validation_clips, size, 6, autocast)
        with open(args.run / "history.jsonl", "a") as history:
            history.write(json.dumps({"step": step, "clips": clips, "minutes": round(elapsed / 60, 2), "validation_iou": round(iou, 4)}) + "\n")
        log(f"validation: step {step} IoU {iou:.4f}")

    log(f"{device}, {args.threads} threads, {sum(p.numel() for p in model.parameters() if p.requires_grad) / 1e6:.2f} M trained parameters, {vars(args)}")
    if step == 0 and held_out is not None:
        check()
    loader = Loader(curriculum, args.materials, args.seed, clips, args.workers, args.clip_uses, pin=device.type == "cuda", mixture=mixture, kinds=args.kinds)
    mark, losses, ious, mark_clips, waited = time.monotonic(), [], [], clips, 0.0
    last_save = last_check = elapsed
    previous_phase = -1
    while elapsed < args.minutes * 60 and step < args.max_steps:
        start = time.monotonic()
        progress = elapsed / (args.minutes * 60)
        index = phase_at(curriculum, progress)
        phase = curriculum[index]
        if index != previous_phase:
            log(f"phase {index}: {asdict(phase)}")
            previous_phase = index
        for group in optimiser.param_groups:
            group["lr"] = group["base_lr"] * learning_rate(progress)
        batch = loader.batch(index)
        waited += time.monotonic() - start
        phase = curriculum[batch.phase]
        hard_share = 1.0 if progress < 0.4 else max(0.3, 1.0 - 1.4 * (progress - 0.4))
        optimiser.zero_grad(set_to_none=True)
        with autocast():
            loss, iou = train_step(model, trunk, batch, phase.own, hard_share, generator, phase.stage4)
        loss.backward()
        if equivariance is not None:
            equivariance.project_gradients()
        norm = nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 5.0)
        if torch.isfinite(norm):
            optimiser.step()
            average.update(model)
        else:
            log(f"step {step}: gradient is not finite, skipped")
        step += 1
        clips += len(batch.frames)
        losses.append(loss.detach())
        ious.append(iou)
        elapsed += time.monotonic() - start
        if step % 25 == 0:
            now = time.monotonic()
            log(f"step {step} {elapsed / 60:.1f} min phase {index} loss {float(sum(losses)) / len(losses):.4f} IoU {float(sum(ious)) / len(ious):.4f} "
                f"lr {optimiser.param_groups[0]['lr']:.1e} {(clips - mark_clips) / (now - mark):.2f} clips/s, waited {waited / (now - mark):.0%}, "
                f"uses {loader.served / max(1, loader.made):.1f}")
            mark, losses, ious, mark_clips, waited = now, [], [], clips, 0.0
        if elapsed - last_save > 180:
            save()
            last_save = elapsed
        if elapsed - last_check > args.validate_minutes * 60:
            check()
            mark, mark_clips = time.monotonic(), clips
            last_check = elapsed
    save()
    check()
    loader.close()
    log("done")


if __name__ == "__main__":
    main()
