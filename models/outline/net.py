"""The network: [N, 3, H, W] → [N, 3, H/4, W/4], logits. H and W are multiples of 32.

`layers` lists the convolutions in the order in which they are computed, stored and read by `network.rs`.
"""

import torch
from torch import nn
from torch.nn import functional as F


def conv(i, o, stride=1):
    return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o))


def deep(channels, stride=1):
    """Depthwise: each channel by itself."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False), nn.BatchNorm2d(channels)
    )


def point(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 1, bias=False), nn.BatchNorm2d(o))


class Down(nn.Module):
    """relu(point(relu(deep(x)))) at half the size."""

    def __init__(self, i, o):
        super().__init__()
        self.deep, self.point = deep(i, 2), point(i, o)

    def forward(self, x):
        return F.relu(self.point(F.relu(self.deep(x))))

    def layers(self):
        return [self.deep, self.point]


class Block(nn.Module):
    """relu(x + point(relu(deep(x))))"""

    def __init__(self, channels):
        super().__init__()
        self.deep, self.point = deep(channels), point(channels, channels)

    def forward(self, x):
        return F.relu(x + self.point(F.relu(self.deep(x))))

    def layers(self):
        return [self.deep, self.point]


class Up(nn.Module):
    """Block at the finer size over relu(twice as large(narrowed(x)) + fine)"""

    def __init__(self, i, o):
        super().__init__()
        self.narrow = point(i, o)
        self.block = Block(o)

    def forward(self, x, fine):
        x = F.interpolate(self.narrow(x), scale_factor=2, mode="nearest")
        return self.block(F.relu(x + fine))

    def layers(self):
        return [self.narrow, *self.block.layers()]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = conv(3, 16, 2)  # half the size
        self.quarter = nn.ModuleList([Down(16, 32), Block(32)])
        self.eighth = nn.ModuleList([Down(32, 64), Block(64), Block(64)])
        self.sixteenth = nn.ModuleList([Down(64, 128), Block(128), Block(128)])
        self.least = nn.ModuleList([Down(128, 128), Block(128), Block(128), Block(128)])
        self.ups = nn.ModuleList([Up(128, 128), Up(128, 64), Up(64, 32)])
        self.head = nn.Conv2d(32, 3, 1)

    def forward(self, x):
        x = F.relu(self.stem(x))
        sizes = []
        for stage in (self.quarter, self.eighth, self.sixteenth, self.least):
            for part in stage:
                x = part(x)
            sizes.append(x)
        for up, fine in zip(self.ups, (sizes[2], sizes[1], sizes[0])):
            x = up(x, fine)
        return self.head(x)

    def layers(self):
        parts = [p for s in (self.quarter, self.eighth, self.sixteenth, self.least) for p in s] + list(self.ups)
        return [self.stem, *(layer for part in parts for layer in part.layers()), self.head]


def cost(net, width=256, height=192):
    """Parameters once batch norm is folded in, and multiply-adds."""
    shapes, hooks = [], []
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            hooks.append(module.register_forward_hook(lambda m, _, y: shapes.append((m, y.shape))))
    net.eval()(torch.zeros(1, 3, height, width))
    for hook in hooks:
        hook.remove()
    parameters = sum(m.weight.numel() + m.out_channels for m, _ in shapes)
    return parameters, sum(m.weight[0].numel() * s.numel() for m, s in shapes)


if __name__ == "__main__":
    print("%d parameters, %.1f million multiply-adds" % (cost(Net())[0], cost(Net())[1] / 1e6))
