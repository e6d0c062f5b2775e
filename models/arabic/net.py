"""The network: a small convolutional trunk, then large 1-D kernels where others have an LSTM."""

import torch
from torch import nn
from torch.nn import functional as F

from charset import CLASSES

WIDTH = 192


def conv(i, o, kernel=3, stride=1):
    size = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    pad = tuple(k // 2 for k in size)
    return nn.Sequential(nn.Conv2d(i, o, size, stride, pad, bias=False), nn.BatchNorm2d(o))


class Rest(nn.Module):
    """x + body(x)"""

    def __init__(self, *body):
        super().__init__()
        self.body = nn.Sequential(*body)

    def forward(self, x):
        return x + self.body(x)


def step(i, o, stride):
    return nn.Sequential(conv(i, o, 3, stride), nn.ReLU(inplace=True))


def wide(channels, inner, kernel):
    """A look around through a narrower layer. Dense: depthwise layers cost more time to train than they save."""
    return Rest(conv(channels, inner, kernel), nn.ReLU(inplace=True), conv(inner, channels, 1))


class Net(nn.Module):
    """[N, 1, 40, W] → [N, W/4, CLASSES], logits."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            step(1, 24, 2),  # 20 × W/2
            step(24, 48, (2, 1)),  # 10 × W/2
            step(48, 64, (1, 2)),  # 10 × W/4
            Rest(step(64, 64, 1)),
            step(64, 128, (2, 1)),  # 5 × W/4
            wide(128, 64, 3),
        )
        self.flat = nn.Sequential(
            nn.Conv2d(128, WIDTH, (5, 1), bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU(inplace=True)
        )
        self.line = nn.Sequential(*(wide(WIDTH, 96, (1, 9)) for _ in range(3)))
        self.head = nn.Conv2d(WIDTH, CLASSES, 1)

    def forward(self, x):
        x = self.line(self.flat(self.trunk(x)))
        return self.head(x).squeeze(2).transpose(1, 2)


class Probabilities(nn.Module):
    """What is exported."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return F.softmax(self.net(x), -1)
