"""Trains on the shards of render.py: `python train.py --data FOLDER --out net.pt --lines 200000`.

Everything goes by lines seen and nothing by the clock: a machine that is busy, or a process that is
stopped for a while, makes it later and not worse.
"""

import argparse
import glob
import os
import random
import time

import numpy as np
import torch
from torch.nn import functional as F

from charset import BLANK, decode, encode
from net import Net
from render import HEIGHT, STEP, load

BATCH_PIXELS = 16 * HEIGHT * 200
SHORT_STEPS = 300
SPEAK_LINES, TEST_LINES = 4_000, 16_000


def normalised(crop):
    """Mean 0, deviation 1 over the crop: exposure and contrast are none of the network's business."""
    crop = crop.astype(np.float32)
    return (crop - crop.mean()) / (crop.std() + 4.0)


def batch(lines):
    """Crops of one group, each padded right with 0 to the widest; their texts and lengths."""
    widest = -(-max(c.shape[1] for c, *_ in lines) // STEP) * STEP
    x = np.zeros((len(lines), 1, HEIGHT, widest), np.float32)
    for i, (crop, *_) in enumerate(lines):
        x[i, 0, :, : crop.shape[1]] = normalised(crop)
    targets = [encode(text) for _, text, *_ in lines]
    return torch.from_numpy(x), torch.tensor(sum(targets, [])), torch.tensor([len(t) for t in targets])


def grouped(lines, pixels, rng):
    """Batches of about as many pixels each, of lines about as wide as one another."""
    lines = sorted(lines, key=lambda line: line[0].shape[1] + rng.random() * STEP)
    batches, at = [], 0
    while at < len(lines):
        n = max(1, int(pixels / (HEIGHT * lines[min(at + 32, len(lines) - 1)][0].shape[1])))
        batches.append(lines[at : at + n])
        at += n
    rng.shuffle(batches)
    return batches


def distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


@torch.no_grad()
def character_error(net, lines):
    net.eval()
    wrong = count = 0
    for part in grouped(lines, 64 * HEIGHT * 200, random.Random(0)):
        x, *_ = batch(part)
        with torch.autocast("cpu", torch.bfloat16):
            best = net(x.contiguous(memory_format=torch.channels_last)).argmax(-1)
        for path, (crop, text, *_) in zip(best.tolist(), part):
            wrong += distance(decode(path[: crop.shape[1] // 4]), text)
            count += len(text)
    net.train()
    return wrong / count


def main():
    ask = argparse.ArgumentParser()
    ask.add_argument("--data", required=True)
    ask.add_argument("--out", required=True)
    ask.add_argument("--lines", type=int, default=200_000)
    ask.add_argument("--rate", type=float, default=2e-3)
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--resume")
    args = ask.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    rng = random.Random(args.seed)
    net = Net().to(memory_format=torch.channels_last)
    if args.resume:
        net.load_state_dict(torch.load(args.resume))
    optimiser = torch.optim.AdamW(net.parameters(), lr=args.rate, weight_decay=0.01)
    # What is kept is a running mean of the weights: as good as a longer, slower end.
    mean = torch.optim.swa_utils.AveragedModel(
        net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99), use_buffers=True
    )
    tests = [line for path in sorted(glob.glob(os.path.join(args.data, "test-*.npz"))) for line in load(path)][:120]
    steps, seen, losses, queue, shards = 0, 0, [], [], []
    spoken = tested = 0
    while seen < args.lines:
        part = seen / args.lines
        if not queue:
            # Each shard once before any a second time, as far as they are written yet.
            paths = sorted(glob.glob(os.path.join(args.data, "train-????.npz")))
            new = [p for p in paths if p not in shards]
            path = rng.choice(new) if new else rng.choice(paths)
            shards = shards + [path] if new else [path]
            loaded = load(path)
            if steps < SHORT_STEPS and not args.resume:  # where letters lie is learnt soonest on short lines
                loaded = [line for line in loaded if len(line[1]) <= 8]
            queue = grouped(loaded, BATCH_PIXELS, rng)
        lines = queue.pop()
        # A warm start, then down a cosine.
        share = min(1, (steps + 1) / 100) * (0.5 + 0.5 * np.cos(np.pi * part))
        for group in optimiser.param_groups:
            group["lr"] = args.rate * max(share, 0.01)
        x, targets, lengths = batch(lines)
        if rng.random() < 0.5:
            x = x + torch.randn_like(x) * rng.random() * 0.15
        with torch.autocast("cpu", torch.bfloat16):
            logits = net(x.contiguous(memory_format=torch.channels_last))
        spans = torch.tensor([crop.shape[1] // 4 for crop, *_ in lines])
        loss = F.ctc_loss(
            logits.float().log_softmax(-1).transpose(0, 1), targets, spans, lengths, blank=BLANK, zero_infinity=True
        )
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        mean.update_parameters(net)
        steps, seen = steps + 1, seen + len(lines)
        losses.append(loss.item())
        if seen - spoken >= SPEAK_LINES:
            spoken, error = seen, ""
            torch.save(mean.module.state_dict(), args.out)
            if seen - tested >= TEST_LINES:
                tested, error = seen, f", held-out CER {character_error(mean.module, tests):.4f}"
            cpu = time.process_time()
            print(
                f"{steps} steps, {seen} lines, processor {cpu:.0f} s, loss {np.mean(losses[-50:]):.3f}{error}",
                flush=True,
            )
    torch.save(mean.module.state_dict(), args.out)
    print(f"end: {seen} lines, held-out CER {character_error(mean.module, tests):.4f}", flush=True)


if __name__ == "__main__":
    main()
