"""Trains on the shards of render.py: `python train.py --data FOLDER --out net.pt --pictures 100000`.

Everything goes by pictures seen and nothing by the clock; the running mean of the weights is saved every few
thousand pictures, so that training may end at any time.
"""

import argparse
import glob
import os
import time

import numpy as np
import torch
from torch.nn import functional as F

from net import Net, cost
from render import SHAPES

BATCH = 16
SPEAK, TEST = 4_000, 16_000


def batches(path, rng, size=BATCH):
    """Pictures of one size each, and their maps."""
    found = []
    with np.load(path) as shard:
        for n in range(len(SHAPES)):
            x, y = shard[f"x{n}"], shard[f"y{n}"]
            order = rng.permutation(len(x))
            found += [(x[part], y[part]) for part in np.array_split(order, max(1, len(x) // size))]
    rng.shuffle(found)
    return found


def tensors(x, y):
    x = torch.from_numpy(x).permute(0, 3, 1, 2).float() / 127.5 - 1
    return x.contiguous(memory_format=torch.channels_last), torch.from_numpy(y).float() / 255


def varied(x, y, rng):
    """Mirrored, other light: a shard is seen more than once."""
    for axis in (2, 3):
        if rng.random() < 0.5:
            x, y = x.flip(axis), y.flip(axis)
    n = len(x)
    gain = torch.exp(torch.randn(n, 1, 1, 1) * 0.15 + torch.randn(n, 3, 1, 1) * 0.06)
    x = ((x + 1) * gain - 1 + torch.randn(n, 1, 1, 1) * 0.05).clamp(-1, 1)
    return x.contiguous(memory_format=torch.channels_last), y


def loss_of(logits, y):
    inside, border, corner = logits.unbind(1)
    a, b, c = y.unbind(1)
    p = inside.sigmoid()
    common = (p * a).sum((1, 2))
    dice = 1 - (2 * common + 20) / (p.sum((1, 2)) + a.sum((1, 2)) + 20)
    of_inside = F.binary_cross_entropy_with_logits(inside, a)
    of_border = F.binary_cross_entropy_with_logits(border, b, weight=1 + 3 * b)
    of_corner = F.binary_cross_entropy_with_logits(corner, c, weight=1 + 15 * c)
    return of_inside + dice.mean() + 1.5 * of_border + 2 * of_corner


@torch.no_grad()
def tested(net, paths):
    """Mean IoU of the mask where there is a document, share of empty pictures kept empty, and of the border the
    best F1 over one threshold of 0.4."""
    net.eval()
    overlaps, empty, hits, said, there = [], [], 0.0, 0.0, 0.0
    for path in paths:
        for x, y in batches(path, np.random.default_rng(0), 50):
            x, y = tensors(x, y)
            maps = net(x).sigmoid()
            got, wanted = maps[:, 0] > 0.5, y[:, 0] > 0.5
            common, either = (got & wanted).sum((1, 2)).float(), (got | wanted).sum((1, 2)).float()
            area = wanted.sum((1, 2))
            overlaps += (common / either.clamp(min=1))[area > 0].tolist()
            empty += (got.sum((1, 2)) < 40)[area == 0].tolist()
            edge, true = maps[:, 1] > 0.4, y[:, 1] > 0.4
            hits, said, there = hits + (edge & true).sum().item(), said + edge.sum().item(), there + true.sum().item()
    net.train()
    good = np.mean(np.array(overlaps) > 0.85)
    return f"IoU {np.mean(overlaps):.4f} (over 0.85: {good:.3f}), empty {np.mean(empty):.3f}, border F1 {2 * hits / (said + there + 1):.4f}"


def main():
    ask = argparse.ArgumentParser()
    ask.add_argument("--data", required=True)
    ask.add_argument("--out", required=True)
    ask.add_argument("--pictures", type=int, default=100_000)
    ask.add_argument("--rate", type=float, default=2.5e-3)
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--resume")
    args = ask.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    rng = np.random.default_rng(args.seed)
    net = Net()
    print("%d parameters, %d multiply-adds" % cost(net), flush=True)
    net = net.train().to(memory_format=torch.channels_last)
    if args.resume:
        net.load_state_dict(torch.load(args.resume))
    optimiser = torch.optim.AdamW(net.parameters(), lr=args.rate, weight_decay=0.01)
    # What is kept is a running mean of the weights: as good as a longer, slower end.
    mean = torch.optim.swa_utils.AveragedModel(
        net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995), use_buffers=True
    )
    tests = sorted(glob.glob(os.path.join(args.data, "test-*.npz")))[:1]
    steps, seen, losses, queue, shards = 0, 0, [], [], []
    spoken = at_test = 0
    while seen < args.pictures:
        if not queue:
            # Each shard once before any a second time, as far as they are drawn yet.
            paths = [p for p in sorted(glob.glob(os.path.join(args.data, "train-*.npz"))) if ".part." not in p]
            new = [p for p in paths if p not in shards]
            path = new[rng.integers(len(new))] if new else paths[rng.integers(len(paths))]
            shards = shards + [path] if new else [path]
            queue = batches(path, rng)
        share = min(1, (steps + 1) / 200) * (0.5 + 0.5 * np.cos(np.pi * seen / args.pictures))
        for group in optimiser.param_groups:
            group["lr"] = args.rate * max(share, 0.01)
        x, y = varied(*tensors(*queue.pop()), rng)
        loss = loss_of(net(x), y)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        mean.update_parameters(net)
        steps, seen = steps + 1, seen + len(x)
        losses.append(loss.item())
        if seen - spoken >= SPEAK:
            spoken, said = seen, ""
            torch.save(mean.module.state_dict(), args.out)
            if seen - at_test >= TEST and tests:
                at_test, said = seen, ", held out: " + tested(mean.module, tests)
            print(
                f"{time.strftime('%H:%M:%S')} {steps} steps, {seen} pictures, {len(shards)} shards, "
                f"processor {time.process_time():.0f} s, loss {np.mean(losses[-200:]):.4f}{said}",
                flush=True,
            )
    torch.save(mean.module.state_dict(), args.out)
    print(f"end: {seen} pictures" + (", held out: " + tested(mean.module, tests) if tests else ""), flush=True)


if __name__ == "__main__":
    main()
