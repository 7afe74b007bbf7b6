"""Distils DeiT-Tiny into graft-sprout-64: the student sees a crop at 64 px in patches of 8, the teacher the same crop at
128 px in patches of 16, so both have the same 8 x 8 grid and every token of every second teacher block is a target.
Owns the loss, the schedule, checkpoints and the log; the student starts from random numbers, or with --start from an
exported student.

    python pretrain.py --work WORK --teacher ../shared/data/models/deit_tiny_patch16_224 --minutes 60
"""
import argparse
import copy
import json
import math
import signal
import time
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

from crops import Crops
from vit import STUDENT, ViT, load_student, load_teacher

SEED = 3
BATCH, RATE, DECAY, WARMUP, EMA = 64, 1.2e-3, 0.05, 300, 0.995
IMAGENET = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
TAPS = [1, 3, 5, 7, 9]  # teacher blocks (from 0) that student blocks 0..4 are asked to explain


def jitter(x, g):
    """x [batch, 3, h, w] in 0..1: brightness, contrast, saturation, tint, some grey, a few inverted."""
    n = x.shape[0]
    u = lambda lo, hi, *s: lo + (hi - lo) * torch.rand(n, *(s or (1,)), 1, 1, generator=g)
    on = (torch.rand(n, 1, 1, 1, generator=g) < 0.7).float()
    y = x * u(0.65, 1.35) * u(0.9, 1.1, 3)
    y = (y - y.mean((1, 2, 3), keepdim=True)) * u(0.6, 1.4) + y.mean((1, 2, 3), keepdim=True)
    grey = y.mean(1, keepdim=True)
    colour = u(0.4, 1.5) * (torch.rand(n, 1, 1, 1, generator=g) > 0.1)
    y = (grey + (y - grey) * colour).clamp(0, 1)
    y = on * y + (1 - on) * x
    flip = (torch.rand(n, 1, 1, 1, generator=g) < 0.04).float()
    return flip * (1 - y) + (1 - flip) * y


def norm(x):
    return F.layer_norm(x.float(), x.shape[-1:])


class Distillation(nn.Module):
    """The student and the projections that are thrown away afterwards."""
    def __init__(self):
        super().__init__()
        self.student = ViT(**STUDENT).initialise(SEED)
        self.explain = nn.ModuleList(nn.Linear(192, 192) for _ in TAPS)

    def forward(self, pixels):
        after, last = self.student(pixels)
        return [e(norm(a)) for e, a in zip(self.explain, after)], last.float()


class Lessons(Dataset):
    """Batches with their answers: crops, jitter and the teacher's pass, all in the loader's own process. One process and
    one thread each for teacher and student waste nothing on waiting for each other, also on a busy machine."""
    def __init__(self, crops, teacher):
        self.crops, self.teacher = crops, teacher.bfloat16()

    def __len__(self):
        return len(self.crops)

    @torch.inference_mode()
    def __getitem__(self, i):
        torch.set_num_threads(1)
        g = torch.Generator().manual_seed(SEED * 1_000_003 + self.crops.first + i)
        x = torch.from_numpy(self.crops[i]).permute(0, 3, 1, 2).float().div_(255).contiguous()
        x = jitter(x, g)  # [batch, 3, 128, 128] in 0..1
        mean, std = IMAGENET[0].view(3, 1, 1), IMAGENET[1].view(3, 1, 1)
        after, want = self.teacher(((x - mean) / std).bfloat16())
        return F.avg_pool2d(x, 2) * 2 - 1, torch.stack([norm(after[t]).bfloat16() for t in TAPS]), want


def losses(model, head, scale, x64, taps, want):
    """x64 [batch, 3, 64, 64]; taps [5, batch, 65, 192] normalised; want [batch, 65, 192]; scale [65, 192]."""
    want = want.float()
    with torch.autocast("cpu", torch.bfloat16):
        middle, last = model(x64)
    deep = sum(F.smooth_l1_loss(m.float(), t.float()) for m, t in zip(middle, taps)) / len(TAPS)
    error = (last - want) / scale
    cls = F.smooth_l1_loss(error[:, 0], torch.zeros_like(error[:, 0]))
    patch = F.smooth_l1_loss(error[:, 1:], torch.zeros_like(error[:, 1:]))
    kl = F.kl_div(F.log_softmax(head(last[:, 0]), -1), F.log_softmax(head(want[:, 0]), -1),
                  reduction="batchmean", log_target=True)
    return {"cls": cls, "patch": patch, "deep": deep, "kl": kl}


WEIGHT = {"cls": 2.0, "patch": 1.0, "deep": 1.0, "kl": 0.3}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--work", type=Path, required=True)
    p.add_argument("--teacher", type=Path, required=True)
    p.add_argument("--minutes", type=float, default=60, help="training time; the schedule follows the clock")
    p.add_argument("--steps", type=int, help="a fixed number of steps instead: the repeatable way")
    p.add_argument("--threads", type=int, default=1, help="of the student; the teacher has its own process")
    p.add_argument("--start", type=Path, help="a student to go on from (a folder of export.py) instead of random numbers")
    p.add_argument("--first", type=int, default=0, help="number of the first batch, so that no earlier crop comes again")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(SEED)
    teacher, head = load_teacher(a.teacher)
    model = Distillation()
    if a.start:
        model.student.load_state_dict(load_student(a.start).state_dict())
    ema = copy.deepcopy(model.student).requires_grad_(False)
    # Muon for the matrices inside the blocks: fewer steps to the same loss; AdamW for the rest
    matrices = [q for n, q in model.named_parameters() if q.dim() == 2 and ".blocks." in n]
    inside = {id(q) for q in matrices}
    decayed = [q for q in model.parameters() if q.dim() == 2 and id(q) not in inside]
    rest = [q for q in model.parameters() if q.dim() != 2]
    optimizers = [torch.optim.AdamW([{"params": decayed, "weight_decay": DECAY}, {"params": rest, "weight_decay": 0.0}],
                                    lr=RATE, betas=(0.9, 0.98), fused=True),
                  torch.optim.Muon(matrices, lr=RATE, weight_decay=DECAY, adjust_lr_fn="match_rms_adamw")]
    runs = a.work / "run"
    runs.mkdir(parents=True, exist_ok=True)
    step, elapsed, scale = 0, 0.0, None
    saved = runs / "checkpoint.pt"
    if saved.exists():
        c = torch.load(saved)
        model.load_state_dict(c["model"])
        ema.load_state_dict(c["ema"])
        for o, state in zip(optimizers, c["optimizers"]):
            o.load_state_dict(state)
        step, elapsed, scale = c["step"], c["elapsed"], c["scale"]
        print("continuing from step", step)
    lessons = Lessons(Crops(a.work / "cache", BATCH, 10_000_000, first=a.first + step), teacher)
    loader = iter(DataLoader(lessons, batch_size=None, num_workers=1, prefetch_factor=4, multiprocessing_context="fork"))
    log = open(runs / "log.jsonl", "a")
    sums, start, since, last_save = {}, time.time() - elapsed, 0, time.time()
    budget = a.minutes * 60
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))  # asked to stop: finish the step, save, leave
    while not stopping:
        now = time.time() - start
        progress = step / a.steps if a.steps else now / budget
        if progress >= 1:
            break
        x64, taps, want = next(loader)
        if scale is None:  # per-dimension spread of the teacher's final features, once
            z = want.float()
            scale = torch.stack([z[:, 0].std(0), z[:, 1:].flatten(0, 1).std(0)]).clamp(min=0.1)
        spread = torch.cat([scale[:1], scale[1:].expand(64, -1)])
        rate = RATE * min(1, (step + 1) / WARMUP) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in (group for o in optimizers for group in o.param_groups):
            group["lr"] = rate
        parts = losses(model, head, spread, x64, taps, want)
        total = sum(WEIGHT[k] * v for k, v in parts.items())
        if not torch.isfinite(total):
            raise SystemExit(f"the loss is not finite at step {step}")
        total.backward()
        grad = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for o in optimizers:
            o.step()
            o.zero_grad(set_to_none=True)
        step += 1
        with torch.no_grad():
            keep = min(EMA, step / (step + 10))
            torch._foreach_lerp_(list(ema.parameters()), list(model.student.parameters()), 1 - keep)
        for k, v in {**parts, "grad": grad}.items():
            sums[k] = sums.get(k, 0.0) + v.item()
        since += 1
        if since == 50:
            seconds = time.time() - start
            row = {"step": step, "images": step * BATCH, "seconds": round(seconds, 1),
                   "images_per_s": round(50 * BATCH / (seconds - elapsed), 1), "rate": round(rate, 7),
                   **{k: round(v / 50, 4) for k, v in sums.items()}}
            log.write(json.dumps(row) + "\n")
            log.flush()
            print(row, flush=True)
            sums, since, elapsed = {}, 0, seconds
        if time.time() - last_save > 120:
            save(saved, model, ema, optimizers, step, time.time() - start, scale)
            last_save = time.time()
    save(saved, model, ema, optimizers, step, time.time() - start, scale)
    print("done:", step, "steps,", step * BATCH, "crops,", round(time.time() - start), "seconds")


def save(path, model, ema, optimizers, step, elapsed, scale):
    fresh = path.with_suffix(".new")
    torch.save({"model": model.state_dict(), "ema": ema.state_dict(), "optimizers": [o.state_dict() for o in optimizers],
                "step": step, "elapsed": elapsed, "scale": scale}, fresh)
    fresh.replace(path)


if __name__ == "__main__":
    main()
