"""A line of text as a phone's picture of a printed card shows it, cut out as a text detector would.

`python render.py --fonts FOLDER --out FOLDER --shards 24 --seed 1 [--test]` writes shard files (.npz):
grey crops 40 px high in groups of one width, and their texts.
"""

import argparse
import os
import random

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

import fonts as font_list
from charset import NUMBER
from text import Lines

HEIGHT = 40
STEP = 32  # widths of a shard's groups are multiples of this; the last group takes what is wider
MOST = 480
FONT_PX = 44


class Pens:
    def __init__(self, folder, fonts):
        self.paths, self.weights = zip(*font_list.paths(folder, fonts))
        self.loaded, self.missing = {}, {}

    def pick(self, rng, text):
        """A font that has all of the text's letters, and its name."""
        for _ in range(20):
            path = rng.choices(self.paths, self.weights)[0]
            if not self.lacks(path, text):
                return self.font(path), os.path.basename(path)
        return None, None

    def font(self, path):
        if path not in self.loaded:
            self.loaded[path] = ImageFont.truetype(path, FONT_PX, layout_engine=ImageFont.Layout.RAQM)
        return self.loaded[path]

    def lacks(self, path, text):
        if path not in self.missing:
            from fontTools.ttLib import TTFont

            self.missing[path] = set(TTFont(path, lazy=True).getBestCmap())
        return any(ord(c) not in self.missing[path] for c in text if c != " ")


def isolated(text):
    """Numbers stand as they are written, whatever letters are beside them."""
    return NUMBER.sub(lambda m: "\u2066" + m[0] + "\u2069", text)


def mask(font, text, rng):
    """Ink 0..1, with an edge of nothing around it."""
    latin = any("A" <= c <= "z" for c in text)
    shown, direction = (text, "ltr") if latin else (isolated(text), "rtl")
    left, top, right, bottom = font.getbbox(shown, direction=direction)
    if right - left < 2 or bottom - top < 2 or right - left > 1500:
        return None
    picture = Image.new("L", (right - left + 8, bottom - top + 8))
    ImageDraw.Draw(picture).text((4 - left, 4 - top), shown, fill=255, font=font, direction=direction)
    ink = np.asarray(picture, np.float32) / 255
    if rng.random() < 0.5:  # wider or narrower than the font is cut
        ink = cv2.resize(ink, None, fx=rng.uniform(0.8, 1.25), fy=1, interpolation=cv2.INTER_AREA)
    return np.clip(ink, 0, 1)


def ground(h, w, rng, noise):
    """A printed card's ground: colour as grey, slow change of light, lines of guilloche."""
    level = rng.uniform(0.6, 1.0) if rng.random() < 0.8 else rng.uniform(0.4, 0.7)
    picture = np.full((h, w), level, np.float32)
    if rng.random() < 0.5:
        coarse = noise.normal(0, 1, (3, 5)).astype(np.float32)
        picture += cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC) * rng.uniform(0.01, 0.06)
    if rng.random() < 0.45:
        x = np.arange(w, dtype=np.float32)[None]
        y = np.arange(h, dtype=np.float32)[:, None]
        for _ in range(rng.randint(1, 2)):
            wave = y + rng.uniform(2, 12) * np.sin(x * rng.uniform(0.02, 0.12) + rng.uniform(0, 6))
            wave = wave + x * rng.choice([0, 0, rng.uniform(-0.8, 0.8), rng.uniform(-4, 4)])
            lines = np.sin(wave * (6.283 / rng.uniform(4, 16)))
            picture += np.clip(lines - rng.uniform(-0.5, 0.7), 0, 1) * rng.uniform(-0.2, 0.1)
    return picture


def photographed(text, font, others, rng, noise):
    """The crop, HEIGHT high and of any width, or None; and the height of the ink in the picture, px."""
    ink = mask(font, text, rng)
    if ink is None:
        return None, 0
    ih, iw = ink.shape[0] - 8, ink.shape[1] - 8
    pad = 40
    h, w = ink.shape[0] + 2 * pad, ink.shape[1] + 2 * pad
    canvas = np.zeros((h, w), np.float32)
    canvas[pad : pad + ink.shape[0], pad : pad + ink.shape[1]] = ink
    for side in (-1, 1):  # neighbouring lines, of which the crop may show an edge
        if rng.random() < 0.35 and others:
            other = rng.choice(others)
            gap = rng.randint(2, 14)
            y = pad - gap - other.shape[0] + 4 if side < 0 else pad + ink.shape[0] + gap - 4
            x = rng.randint(0, max(0, w - 60))
            y0, y1, x1 = max(0, y), min(h, y + other.shape[0]), min(w, x + other.shape[1])
            if y1 > y0 and x1 > x:
                part = other[y0 - y : y1 - y, : x1 - x]
                canvas[y0:y1, x:x1] = np.maximum(canvas[y0:y1, x:x1], part)
    if len(others) < 40:
        others.append(ink)
    else:
        others[rng.randrange(40)] = ink

    paper = ground(h, w, rng, noise)
    contrast = rng.uniform(0.25, 0.9) if rng.random() < 0.4 else rng.uniform(0.5, 0.95)
    if rng.random() < 0.06:  # light letters on dark
        picture = paper * 0.45 + canvas * contrast * 0.55
    else:
        picture = paper * (1 - canvas * contrast)

    # The size that the camera sees it in, and from where.
    size = rng.choice([rng.uniform(12, 20), rng.uniform(16, 34), rng.uniform(24, 48)])
    k = size / max(ih, 24)
    if k < 1:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 / k)
    sw, sh = w * k, h * k
    turn, lean = np.radians(rng.gauss(0, 1.5)), rng.gauss(0, 0.06)
    jitter = [(rng.gauss(0, 0.02) * sh, rng.gauss(0, 0.03) * sh) for _ in range(4)]
    corners = np.float32([[0, 0], [w, 0], [w, h], [0, h]])
    seen = [
        (
            x * k + lean * (h / 2 - y) * k - np.sin(turn) * (y - h / 2) * k + dx,
            y * k + np.sin(turn) * (x - w / 2) * k + dy,
        )
        for (x, y), (dx, dy) in zip(corners, jitter)
    ]
    seen = np.float32(seen)
    low = seen.min(0) - 2
    seen -= low
    there = cv2.getPerspectiveTransform(corners, seen)
    out_w, out_h = (int(v) + 3 for v in seen.max(0))
    picture = cv2.warpPerspective(
        picture, there, (out_w, out_h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )

    r = rng.random()
    if r < 0.45:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 0.03 * size + 0.3))
    elif r < 0.55:
        n = max(2, int(size * rng.uniform(0.05, 0.12)))
        kernel = np.zeros((n, n), np.float32)
        if rng.random() < 0.5:
            kernel[n // 2] = 1 / n
        else:
            np.fill_diagonal(kernel, 1 / n)
        picture = cv2.filter2D(picture, -1, kernel)
    light = np.linspace(rng.uniform(0.7, 1.1), rng.uniform(0.7, 1.1), out_w, dtype=np.float32)[None]
    picture = picture * light
    if rng.random() < 0.8:
        # Seen through a lens and a demosaic, noise is coarser than a pixel as often as not.
        grain = noise.normal(0, rng.uniform(0.003, 0.035) * (0.3 + contrast), picture.shape).astype(np.float32)
        picture += cv2.GaussianBlur(grain, (0, 0), 0.7) * 2 if rng.random() < 0.4 else grain
    if rng.random() < 0.3:  # a phone's sharpening
        picture += (picture - cv2.GaussianBlur(picture, (0, 0), 1.2)) * rng.uniform(0.3, 1.2)
    if rng.random() < 0.05:  # glare
        cx, cy, s = rng.uniform(0, out_w), rng.uniform(0, out_h), rng.uniform(0.5, 2) * size
        gx = np.exp(-((np.arange(out_w) - cx) ** 2) / (2 * s * s)).astype(np.float32)
        gy = np.exp(-((np.arange(out_h) - cy) ** 2) / (2 * s * s)).astype(np.float32)
        picture += gy[:, None] * gx[None] * rng.uniform(0.1, 0.4)
    pixels = (np.clip(picture, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.7:
        _, packed = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, rng.randint(25, 92)])
        pixels = cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE)

    # The detector's box: around the ink, with margins that vary, and never quite straight.
    m = ih
    left, right = (rng.uniform(-0.02, 0.45) * m for _ in range(2))
    top, bottom = (rng.uniform(-0.03, 0.35) * m for _ in range(2))
    x0, y0, x1, y1 = pad + 4 - left, pad + 4 - top, pad + 4 + iw + right, pad + 4 + ih + bottom
    if y1 - y0 < FONT_PX * 0.75:  # digits, dashes: a box is no lower than the line
        middle, half = (y0 + y1) / 2, FONT_PX * 0.75 / 2
        y0, y1 = middle - half, middle + half
    box = np.float32([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    box += np.float32([[rng.gauss(0, 0.02) * m, rng.gauss(0, 0.02) * m] for _ in range(4)])
    box = cv2.perspectiveTransform(box[None], there)[0]
    length = (np.linalg.norm(box[1] - box[0]) + np.linalg.norm(box[2] - box[3])) / 2
    thick = (np.linalg.norm(box[3] - box[0]) + np.linalg.norm(box[2] - box[1])) / 2
    width = int(round(length / thick * HEIGHT / 8)) * 8
    if not 24 <= width <= 1600:
        return None, 0
    to = cv2.getPerspectiveTransform(box, np.float32([[0, 0], [width, 0], [width, HEIGHT], [0, HEIGHT]]))
    crop = cv2.warpPerspective(pixels, to, (width, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return crop, size


def shard(folder, seed, count, test):
    rng, noise = random.Random(seed), np.random.default_rng(seed)
    lines, pens, others = Lines(rng, test), Pens(folder, font_list.HELD_OUT if test else font_list.TRAINING), []
    crops, texts, names, sizes = [], [], [], []
    while len(crops) < count:
        drawn, text = lines.line()
        if not text or len(text) > 42:
            continue
        font, name = pens.pick(rng, drawn)
        if font is None:
            continue
        crop, size = photographed(drawn, font, others, rng, noise)
        if crop is None or crop.shape[1] > MOST or crop.shape[1] // 4 < len(text) * 1.2:
            continue
        crops.append(crop), texts.append(text), names.append(name), sizes.append(size)
    return crops, texts, names, sizes


def save(path, crops, texts, names, sizes):
    widths = np.array([c.shape[1] for c in crops], np.int32)
    pixels = np.concatenate([c.ravel() for c in crops])
    temporary = path + ".part.npz"
    np.savez(
        temporary,
        widths=widths,
        pixels=pixels,
        texts=np.array(texts),
        names=np.array(names),
        sizes=np.array(sizes, np.float32),
    )
    os.replace(temporary, path)


def load(path):
    """[(crop, text, font, size)]"""
    data = np.load(path)
    ends = np.cumsum(data["widths"].astype(np.int64) * HEIGHT)
    parts = np.split(data["pixels"], ends[:-1])
    return list(
        zip(
            [p.reshape(HEIGHT, -1) for p in parts],
            data["texts"].tolist(),
            data["names"].tolist(),
            data["sizes"].tolist(),
        )
    )


if __name__ == "__main__":
    ask = argparse.ArgumentParser()
    ask.add_argument("--fonts", required=True)
    ask.add_argument("--out", required=True)
    ask.add_argument("--shards", type=int, default=24)
    ask.add_argument("--count", type=int, default=4096)
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--test", action="store_true")
    args = ask.parse_args()
    cv2.setNumThreads(1)
    os.makedirs(args.out, exist_ok=True)
    for i in range(args.shards):
        seed = args.seed + i
        path = os.path.join(args.out, f"{'test' if args.test else 'train'}-{seed:04}.npz")
        if not os.path.exists(path):
            save(path, *shard(args.fonts, seed, args.count, args.test))
            print(path, flush=True)
