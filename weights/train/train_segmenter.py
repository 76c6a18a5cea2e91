"""Train the default segmenter on composed scenes. May be stopped at any time; the same command goes on.

    python train_segmenter.py --run RUN_DIR --minutes 90 [--materials DIR] [--tracker ../embedded/deaot-t.safetensors]

A step draws some new scenes, encodes them, asks about several masks of these and of recent ones, simulates the clicks of
a user up to some round without gradient, and learns from the next answer.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import distributed
from safetensors.torch import load_file, save_file
from torch import Tensor

from clips.generator import Materials
from clips.motion import Rng
from fetch_data import DEFAULT_CACHE
from segmenter import Prompts, Segmenter, Trunk
from segmenter.clicks import first_click, next_click, noisy_box, perturbed
from segmenter.loss import total_cost
from segmenter.scenes import Scene, SceneGenerator, draw_target
from segmenter.validate import Validation, feature_maps

MASKS_PER_SCENE = 3
#: Rounds of clicks before the one that is learned from, and how often.
ROUNDS = (0.45, 0.25, 0.18, 0.12)
MOST_POINTS = 6


@dataclass
class Held:
    """An encoded scene: its maps in bfloat16."""

    scene: Scene
    maps: list[Tensor]


@dataclass
class Question:
    """What a simulated user wants of a scene: mask bool [S, S], and the prompt so far."""

    mask: np.ndarray
    points: list[tuple[float, float]]
    labels: list[int]
    box: np.ndarray | None
    logits: np.ndarray | None


def ask(rng: Rng, scene: Scene) -> Question:
    mask = draw_target(rng, scene)
    q = Question(mask, [], [], None, None)
    # Half of the prompts are boxes, more of those that say little: where much of the box is something else.
    box = noisy_box(mask, rng)
    filled = mask.sum() / ((box[2] - box[0]) * (box[3] - box[1]))
    if rng.random() < np.clip(0.5 + 1.2 * (0.55 - filled), 0.3, 0.8):
        q.box = box
    else:
        q.points.append(first_click(mask, rng))
        q.labels.append(1)
    if rng.random() < 0.08:
        q.logits = perturbed(mask, rng)
    return q


def as_prompts(questions: list[Question], low: int) -> Prompts:
    most = max(1, max(len(q.points) for q in questions))
    points, labels = np.zeros((len(questions), most, 2), np.float32), np.full((len(questions), most), -1)
    boxes = np.full((len(questions), 4), np.nan, np.float32)
    logits = np.zeros((len(questions), low, low), np.float32)
    for i, q in enumerate(questions):
        if q.points:
            points[i, : len(q.points)], labels[i, : len(q.labels)] = q.points, q.labels
        if q.box is not None:
            boxes[i] = q.box
        if q.logits is not None:
            logits[i] = q.logits
    return Prompts(*(torch.from_numpy(x) for x in (points, labels, boxes, logits)))


def is_single(q: Question) -> bool:
    return len(q.points) == 1 and q.box is None and q.logits is None


def answer(questions: list[Question], logits: Tensor, iou: Tensor) -> list[np.ndarray]:
    """The logits that a user gets: of a single point the mask of the highest predicted IoU, else the first."""
    best = 1 + iou[:, 1:].argmax(1)
    return [logits[i, best[i] if is_single(q) else 0].float().numpy() for i, q in enumerate(questions)]


def correct(rng: Rng, questions: list[Question], answers: list[np.ndarray], keep_mask: float = 0.85) -> None:
    """Each user looks at the answer and clicks on its largest error."""
    for q, low in zip(questions, answers):
        side = q.mask.shape[0]
        predicted = cv2.resize(low, (side, side), interpolation=cv2.INTER_LINEAR) > 0
        click = next_click(predicted, q.mask)
        if click is not None and len(q.points) < MOST_POINTS:
            (x, y), label = click
            q.points.append((x, y))
            q.labels.append(label)
        q.logits = low if rng.random() < keep_mask else None


def coverage(questions: list[Question], low: int) -> Tensor:
    """[M, low, low]."""
    return torch.from_numpy(np.stack([cv2.resize(q.mask.astype(np.float32), (low, low), interpolation=cv2.INTER_AREA) for q in questions]))


def batch_of(held: list[Held]) -> tuple[list[Tensor], Tensor]:
    maps = [torch.cat([h.maps[i] for h in held]).contiguous(memory_format=torch.channels_last) for i in range(3)]
    return maps, torch.tensor([h.scene.origin for h in held], dtype=torch.float32)


class Average:
    """Exponential moving average of the weights, (1 + n) / (10 + n) at first."""

    def __init__(self, model: Segmenter, decay: float) -> None:
        self.state = {k: v.detach().clone() for k, v in model.state_dict().items()}
        self.decay, self.steps = decay, 0

    @torch.no_grad()
    def update(self, model: Segmenter) -> None:
        self.steps += 1
        d = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for key, value in model.state_dict().items():
            self.state[key].lerp_(value, 1 - d)


class Crew:
    """Processes that average their gradients. The first starts the others, each in a session of its own."""

    def __init__(self, size: int) -> None:
        self.size, self.rank = size, int(os.environ.get("SEGMENTER_RANK", 0))
        if size == 1:
            return
        if self.rank == 0:
            meeting = Path(tempfile.mkdtemp()) / "meeting"
            os.environ["SEGMENTER_MEETING"] = str(meeting)
            for rank in range(1, size):
                subprocess.Popen([sys.executable, *sys.argv], env={**os.environ, "SEGMENTER_RANK": str(rank)}, start_new_session=True)
        distributed.init_process_group("gloo", init_method=f"file://{os.environ['SEGMENTER_MEETING']}", rank=self.rank, world_size=size)

    def average(self, gradients: list[Tensor], elapsed: float) -> float:
        """Replaces gradients by their mean over the processes; returns the elapsed time of the first."""
        if self.size == 1:
            return elapsed
        flat = torch.cat([g.flatten() for g in gradients] + [torch.tensor([elapsed * self.size if self.rank == 0 else 0.0])])
        distributed.all_reduce(flat)
        flat /= self.size
        at = 0
        for g in gradients:
            g.copy_(flat[at : at + g.numel()].view_as(g))
            at += g.numel()
        return float(flat[-1])


def learning_rate(progress: float, step: int, peak: float) -> float:
    warm = min(1.0, (step + 1) / 150)
    return peak * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--minutes", type=float, required=True, help="of training in all, over all calls")
    parser.add_argument("--materials", type=Path, default=DEFAULT_CACHE.parent / "prepared")
    parser.add_argument("--tracker", type=Path, default=Path(__file__).parent.parent / "embedded" / "deaot-t.safetensors")
    parser.add_argument("--init", type=Path, help="weights to start from")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 384], help="sides of the windows, one after the other")
    parser.add_argument("--until", type=float, nargs="+", default=[0.6], help="shares of the training at which the side changes")
    parser.add_argument("--scenes-per-step", type=int, default=12, help="of all processes together")
    parser.add_argument("--new-share", type=float, default=0.4, help="share of a step's scenes that is drawn for it; the others are recent ones")
    parser.add_argument("--recent", type=int, default=64)
    parser.add_argument("--validate-minutes", type=float, default=10)
    parser.add_argument("--validation-scenes", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--processes", type=int, default=1, help="that share a step")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    args.run.mkdir(parents=True, exist_ok=True)
    crew = Crew(args.processes)

    trunk = Trunk(args.tracker)
    torch.manual_seed(args.seed)
    model = Segmenter()
    if args.init:
        model.load_state_dict({k: v.float() for k, v in load_file(str(args.init)).items()})
    decays = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW([{"params": decays, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}], lr=args.lr, betas=(0.9, 0.99))
    average = Average(model, 0.998)
    step, elapsed, history = 0, 0.0, []
    last = args.run / "last.pt"
    if last.exists():
        saved = torch.load(last, weights_only=False)
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        average.state, average.steps = saved["average"], saved["average_steps"]
        step, elapsed, history = saved["step"], saved["elapsed"], saved["history"]
    validation = Validation(Materials(args.materials, validation=True), trunk, args.validation_scenes) if crew.rank == 0 else None
    recent: deque[Held] = deque(maxlen=args.recent)
    materials, side, drawn = Materials(args.materials, validation=False), 0, 0
    scenes_a_step = max(1, args.scenes_per_step // crew.size)
    new_a_step = max(1, round(args.new_share * scenes_a_step))

    def log(text: str) -> None:
        line = f"{time.strftime('%H:%M:%S')} {text}"
        print(line, flush=True)
        with (args.run / "log.txt").open("a") as f:
            f.write(line + "\n")

    def save() -> None:
        torch.save({"model": model.state_dict(), "optimiser": optimiser.state_dict(), "average": average.state, "average_steps": average.steps, "step": step, "elapsed": elapsed, "history": history}, last.with_suffix(".tmp"))
        last.with_suffix(".tmp").rename(last)

    def validate() -> None:
        smooth = Segmenter()
        smooth.load_state_dict(average.state)
        scores = validation(smooth.to(memory_format=torch.channels_last))
        history.append({"step": step, "minutes": elapsed / 60, **scores})
        with (args.run / "history.jsonl").open("a") as f:
            f.write(json.dumps(history[-1]) + "\n")
        save_file({k: v.contiguous() for k, v in average.state.items()}, str(args.run / f"ema-{step:06d}.safetensors"))
        log(f"step {step}  validation " + "  ".join(f"{k} {v:.3f}" for k, v in scores.items()))

    sums = {"cost": 0.0, "first": 0.0, "after": 0.0, "best": 0.0, "box": 0.0}
    counts = dict.fromkeys(sums, 0)

    def note(name: str, values: Tensor) -> None:
        sums[name] += float(values.sum())
        counts[name] += values.numel()

    next_validation = elapsed + 60 * args.validate_minutes
    model.to(memory_format=torch.channels_last).train()
    while elapsed < 60 * args.minutes:
        start = time.perf_counter()
        rng = np.random.default_rng((args.seed, step, crew.rank))
        wanted = args.sides[sum(elapsed / (60 * args.minutes) >= share for share in args.until)]
        if side != wanted:
            side, low, scenes = wanted, wanted // 4, SceneGenerator(materials, wanted)
            recent.clear()
        fresh = [scenes.scene(rng) for _ in range(max(new_a_step, scenes_a_step - len(recent)))]
        drawn += len(fresh)
        for scene, maps in zip(fresh, feature_maps(trunk, fresh)):
            recent.append(Held(scene, maps))
        newest = list(recent)[-len(fresh) :]
        older = list(recent)[: -len(fresh)]
        chosen = newest + [older[i] for i in rng.permutation(len(older))[: scenes_a_step - len(newest)]]
        questions = [ask(rng, h.scene) for h in chosen for _ in range(MASKS_PER_SCENE)]
        image_of = torch.arange(len(chosen)).repeat_interleave(MASKS_PER_SCENE)
        maps, origin = batch_of(chosen)
        target = coverage(questions, low)
        rate = learning_rate(elapsed / (60 * args.minutes), step, args.lr)
        for group in optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounds = int(np.random.default_rng((args.seed, step)).choice(len(ROUNDS), p=ROUNDS))  # the same in all processes
            if rounds:
                with torch.no_grad():
                    seen = model.encode(maps, origin)
                    for _ in range(rounds):
                        logits, iou = model.decode(seen, image_of, as_prompts(questions, low))
                        correct(rng, questions, answer(questions, logits, iou))
            seen = model.encode(maps, origin)
            logits, iou = model.decode(seen, image_of, as_prompts(questions, low))
        single = torch.tensor([is_single(q) for q in questions])
        cost, truth = total_cost(logits, iou, target, single)
        optimiser.zero_grad(set_to_none=True)
        cost.backward()
        elapsed = crew.average([p.grad for p in model.parameters()], elapsed + time.perf_counter() - start)
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        if torch.isfinite(norm):
            optimiser.step()
            average.update(model)
        step += 1
        if crew.rank > 0:
            continue
        boxed = torch.tensor([q.box is not None for q in questions])
        note("cost", cost.detach()[None])
        if rounds == 0:
            note("first", truth[single].gather(1, 1 + iou.detach()[single, 1:].argmax(1, keepdim=True)))
            note("best", truth[single, 1:].max(1).values)
            note("box", truth[boxed, 0])
        else:
            note("after", truth[:, 0])
        if step % 50 == 0:
            log(f"step {step}  {drawn * crew.size} scenes  {elapsed / 60:.1f} min  lr {rate:.1e}  " + "  ".join(f"{k} {sums[k] / max(1, counts[k]):.3f}" for k in sums) + f"  norm {float(norm):.2f}")
            sums, counts = dict.fromkeys(sums, 0.0), dict.fromkeys(sums, 0)
        if step % 100 == 0:
            save()
        if elapsed >= next_validation or elapsed >= 60 * args.minutes:
            validate()
            save()
            next_validation = elapsed + 60 * args.validate_minutes
    if crew.rank == 0:
        save()


if __name__ == "__main__":
    main()
