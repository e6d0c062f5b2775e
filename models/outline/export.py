"""Writes the trained network for `network.rs` and what it says of a few fixed pictures:
`python export.py net.pt`. Batch norm is folded in; weights are kept in 16 bits.
"""

import os
import sys

import numpy as np
import torch
from torch import nn

from net import Net, cost

HERE = os.path.dirname(os.path.abspath(__file__))


def folded(layer):
    """Weights and biases of a convolution with the batch norm after it."""
    if isinstance(layer, nn.Conv2d):
        return layer.weight.detach(), layer.bias.detach()
    conv, norm = layer
    gain = norm.weight.detach() / torch.sqrt(norm.running_var + norm.eps)
    return conv.weight.detach() * gain[:, None, None, None], norm.bias.detach() - norm.running_mean * gain


def halved(net):
    """The same network without batch norm, with the numbers that the file has; and those numbers."""
    net, numbers = net.eval(), []
    for layer in net.layers():
        weight, bias = (v.half().float() for v in folded(layer))
        deep = weight.shape[1] == 1 and weight.shape[2] == 3
        # Deep [tap][channel]; others [tap and input][output].
        numbers.append((weight[:, 0] if deep else weight).permute(*((1, 2, 0) if deep else (2, 3, 1, 0))).flatten())
        numbers.append(bias)
        conv = layer if isinstance(layer, nn.Conv2d) else layer[0]
        conv.weight.data = weight
        if isinstance(layer, nn.Conv2d):
            conv.bias.data = bias
        else:
            norm = layer[1]
            norm.weight.data.fill_(float(np.sqrt(1 + norm.eps)))
            norm.bias.data = bias
            norm.running_mean.zero_()
            norm.running_var.fill_(1)
    return net, torch.cat(numbers).numpy().astype("<f2")


def picture(width, height):
    """As `network.rs` draws it."""
    y, x = np.mgrid[0:height, 0:width]
    grain = (x * 7 + y * 13) % 11
    inside = (x >= 60) & (x < 190) & (y >= 50) & (y < 132)
    ink = (y // 6 % 3 == 0) & (x // 3 % 2 == 0) & (x >= 100) & (x < 180)
    table = np.stack([96 + grain, 84 + grain, 70 + 0 * grain], -1)
    card = np.stack([205 + grain, 215 + 0 * grain, 205 + 0 * grain], -1)
    drawn = np.where(inside[..., None], np.where(ink[..., None], [60, 60, 70], card), table)
    return torch.from_numpy(drawn.astype(np.float32)).permute(2, 0, 1)[None] / 127.5 - 1


@torch.no_grad()
def main(weights):
    net = Net()
    net.load_state_dict(torch.load(weights, map_location="cpu"))
    shapes = ((256, 192), (160, 256), (32, 256))
    before = [net.eval()(picture(*shape)).sigmoid() for shape in shapes]
    net, numbers = halved(net)
    numbers.tofile(os.path.join(HERE, "outline.f16"))
    with open(os.path.join(HERE, "golden.txt"), "w") as file:
        for (width, height), old in zip(shapes, before):
            new = net(picture(width, height)).sigmoid()
            print(f"{width}x{height}: 16 bits change a value by {(new - old).abs().max():.2g} at most")
            for kind in range(3):
                for y in range(1, height // 4, 5):
                    for x in range(2, width // 4, 7):
                        file.write(f"{width} {height} {kind} {x} {y} {new[0, kind, y, x]:.5f}\n")
    print("%d numbers; %d parameters, %d multiply-adds" % (len(numbers), *cost(net)))


if __name__ == "__main__":
    main(*sys.argv[1:])
