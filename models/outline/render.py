"""Pictures with documents in them and what the network should say of them: `python render.py --flats FOLDER --out FOLDER`.

All at little more than the network's own resolution: a few milliseconds a picture. It shares nothing with the
generator's model of a camera (`tests/specimens/src/capture`), by which the network is judged.
"""

import argparse
import glob
import os
import time

import cv2
import numpy as np

import ground as draw

LONGER, STEP, CELL = 256, 32, 4
# Shares of sides, width to height, each as often as the other of its turn.
SHAPES = [(256, 192), (192, 256), (256, 256), (160, 256), (256, 160)]
SHAPE_SHARES = [0.36, 0.36, 0.08, 0.1, 0.1]
FINE = 1.5  # pictures are drawn this many times as large
FLAT_PX = 480


class Flats:
    """Flat sides of documents, `DESIGN.SIDE.SEED.png` with `radius` and `kind` in flats.txt."""

    def __init__(self, folder, held_out):
        self.sides = []
        for line in open(os.path.join(folder, "flats.txt")):
            name, radius, passport, held = line.split()
            if bool(int(held)) == held_out:
                picture = cv2.imread(os.path.join(folder, name))[..., ::-1]
                self.sides.append((np.ascontiguousarray(picture), float(radius), bool(int(passport))))
        assert self.sides, f"no flats in {folder}"

    def one(self, rng, photographs):
        if rng.random() < 0.35 and not getattr(self, "pure", False):
            return photographs.invented(rng)
        picture, radius, passport = self.sides[rng.integers(len(self.sides))]
        if rng.random() < 0.5:
            picture = recoloured(rng, picture)
        return picture, radius, passport


def recoloured(rng, picture):
    """Another state's colours."""
    kind = rng.random()
    if kind < 0.5:
        hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(int) + int(rng.integers(180))) % 180
        return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    if kind < 0.65:
        return cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    tint = rng.uniform(0.6, 1.05, 3)
    return np.clip(picture * tint, 0, 255).astype(np.uint8)


def real_photographs():
    """Those that scikit-image (public domain, CC0) and scikit-learn (CC BY) bring along."""
    from skimage import data
    from sklearn.datasets import load_sample_images

    found = list(load_sample_images().images)
    for name in ("astronaut", "chelsea", "coffee", "rocket", "brick", "grass", "gravel", "coins", "camera", "moon"):
        try:
            picture = getattr(data, name)()
        except Exception:  # not in the package itself
            continue
        found.append(picture if picture.ndim == 3 else cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB))
    return Pool(np.ascontiguousarray(p[..., :3]) for p in found)


class Pool(list):
    """Photographs, and what is drawn once and used in many pictures: drawing it anew takes longer than the rest."""

    def __init__(self, photographs):
        super().__init__(photographs)
        self.kept = {}

    def drawn(self, rng, kind, count, new):
        """One of `count`; now and then another takes its place."""
        kept = self.kept.setdefault(kind, [])
        if len(kept) < count or rng.random() < 0.02:
            if len(kept) >= count:
                kept.pop(rng.integers(len(kept)))
            kept.append(new())
            return kept[-1]
        return kept[rng.integers(len(kept))]

    def ground(self, rng):
        picture = self.drawn(rng, "ground", 250, lambda: np.clip(draw.ground(rng, self), 0, 255).astype(np.uint8))
        return picture[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]

    def thing(self, rng):
        def new():
            picture, is_round = draw.thing(rng, self)
            return np.clip(picture, 0, 255).astype(np.uint8), is_round

        return self.drawn(rng, "thing", 700, new)

    def invented(self, rng):
        return self.drawn(rng, "invented", 400, lambda: draw.invented(rng, self))

    def room(self, rng, shape):
        """Of the size wanted, floating point."""
        picture = self.drawn(rng, "room", 120, lambda: np.clip(draw.room(rng, (384, 384), self), 0, 255).astype(np.uint8))
        return cv2.resize(picture, shape[::-1]).astype(np.float32)


class Camera:
    """A plane (the table; the document's longer side is 1, its middle the origin) seen by a camera."""

    def __init__(self, rng, width, height, longer_px, ratio, upright):
        focal = rng.uniform(0.75, 1.6) * max(width, height)
        turn = rng.uniform(0, 2 * np.pi) if rng.random() < 0.5 else rng.integers(4) * np.pi / 2 + rng.normal(0, 0.12)
        tilt = np.radians(min(abs(rng.normal(0, 17)), 42))
        if upright:
            tilt *= 0.6
        axis = rng.uniform(0, 2 * np.pi)
        c, s = np.cos(turn), np.sin(turn)
        spin = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        k = np.array([np.cos(axis), np.sin(axis), 0])
        cross = np.array([[0, -k[2], k[1]], [k[2], 0, -k[0]], [-k[1], k[0], 0]])
        lean = np.eye(3) + np.sin(tilt) * cross + (1 - np.cos(tilt)) * cross @ cross
        self.turned = lean @ spin
        self.focal, self.size = focal, (width, height)
        self.distance = max(focal / longer_px, 0.75)
        self.move([0.0, 0.0])

    def move(self, middle):
        """The document's middle at this place of the picture."""
        (width, height), f, d = self.size, self.focal, self.distance
        at = np.array([(middle[0] * d) / f, (middle[1] * d) / f, d])
        lens = np.array([[f, 0, width / 2], [0, f, height / 2], [0, 0, 1]])
        self.plane = lens @ np.stack([self.turned[:, 0], self.turned[:, 1], at], 1)

    def seen(self, points):
        p = np.c_[np.asarray(points, float), np.ones(len(points))] @ self.plane.T
        return p[:, :2] / np.maximum(p[:, 2:], 1e-3)

    def looks_on(self, points):
        p = np.c_[np.asarray(points, float), np.ones(len(points))] @ self.plane.T
        return (p[:, 2] > 0.05).all()


def area(quad):
    x, y = quad[:, 0], quad[:, 1]
    return 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


def place(ratio, middle=(0, 0), turn=0.0, longer=1.0):
    """Corners of a rectangle on the plane."""
    w, h = longer / 2, longer / ratio / 2
    c, s = np.cos(turn), np.sin(turn)
    corners = np.array([[-w, -h], [w, -h], [w, h], [-w, h]])
    return corners @ np.array([[c, s], [-s, c]]) + np.asarray(middle)


def rounded(shape, radius):
    mask = np.zeros(shape, np.uint8)
    h, w = shape
    r = int(round(radius))
    if r < 1:
        mask[:] = 255
        return mask
    cv2.rectangle(mask, (r, 0), (w - 1 - r, h - 1), 255, -1)
    cv2.rectangle(mask, (0, r), (w - 1, h - 1 - r), 255, -1)
    for x in (r, w - 1 - r):
        for y in (r, h - 1 - r):
            cv2.circle(mask, (x, y), r, 255, -1, cv2.LINE_AA)
    return mask


def paste(canvas, picture, mask, quad, shade):
    """The picture into the quadrilateral; `shade` darkens what lies around it."""
    height, width = canvas.shape[:2]
    longest = max(np.linalg.norm(quad - np.roll(quad, -1, 0), axis=1).max(), 2)
    share = longest / max(picture.shape[:2])
    if share < 0.75:
        size = (max(4, round(picture.shape[1] * share)), max(4, round(picture.shape[0] * share)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        mask = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    pad = int(shade[2] * 3 + max(abs(shade[0]), abs(shade[1])) + 3) if shade else 3
    x0, y0 = np.maximum(np.floor(quad.min(0)).astype(int) - pad, 0)
    x1, y1 = np.minimum(np.ceil(quad.max(0)).astype(int) + pad, (width, height))
    if x1 - x0 < 2 or y1 - y0 < 2:
        return
    h, w = picture.shape[:2]
    source = np.float32([[0, 0], [w, 0], [w, h], [0, h]]) - 0.5
    move = cv2.getPerspectiveTransform(source, np.float32(quad - [x0, y0]) - 0.5)
    size = (int(x1 - x0), int(y1 - y0))
    cover = cv2.warpPerspective(mask, move, size, flags=cv2.INTER_LINEAR)
    part = canvas[y0:y1, x0:x1]
    if shade:
        dx, dy, soft, dark = shade
        dim = cv2.warpAffine(cover, np.float32([[1, 0, dx], [0, 1, dy]]), size)
        dim = softened(dim, soft).astype(np.float32)
        part *= wide(1 - dim * (dark / 255))
    drawn = cv2.warpPerspective(picture, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    part += (drawn.astype(np.float32) - part) * wide(cover.astype(np.float32) / 255)


def wide(map_):
    """A map for three channels: numpy is slow where the last axis is short."""
    return cv2.cvtColor(np.ascontiguousarray(map_, np.float32), cv2.COLOR_GRAY2RGB)


def softened(mask, sigma):
    """Blurred; a wide blur at a fraction of the size."""
    small = 8 if sigma > 16 else 4 if sigma > 6 else 2 if sigma > 2.5 else 1
    if small == 1:
        return cv2.GaussianBlur(mask, (0, 0), max(sigma, 0.3))
    h, w = mask.shape[:2]
    less = cv2.resize(mask, (max(1, w // small), max(1, h // small)), interpolation=cv2.INTER_AREA)
    return cv2.resize(cv2.GaussianBlur(less, (0, 0), sigma / small), (w, h))


def capsule(canvas, a, b, thick, value, edge, soft):
    """A finger, a pen, a cable: a thick line with a lighter middle."""
    mask = np.zeros(canvas.shape[:2], np.uint8)
    p, q = (tuple(int(v) for v in np.clip(x, -3000, 3000)) for x in (a, b))
    cv2.line(mask, p, q, 255, max(1, int(thick)), cv2.LINE_AA)
    x, y, w, h = cv2.boundingRect(np.int32([p, q]))
    pad = int(thick + 6)
    y0, y1, x0, x1 = max(0, y - pad), y + h + pad, max(0, x - pad), x + w + pad
    mask, part = mask[y0:y1, x0:x1], canvas[y0:y1, x0:x1]
    if mask.size == 0:
        return
    cover = cv2.GaussianBlur(mask, (0, 0), soft).astype(np.float32) / 255
    round_ = softened(mask, max(thick / 4, 0.6)).astype(np.float32) / 255
    value, edge, round_ = np.float32(value), np.float32(edge), np.clip(round_ * 1.5 - 0.4, 0, 1)
    skin = cv2.merge([edge[n] + (value[n] - edge[n]) * round_ for n in range(3)])
    part += (skin - part) * wide(cover)


def fingers(rng, canvas, quad, held):
    """From outside over an edge or a corner of the document."""
    tone = np.array([1, rng.uniform(0.68, 0.85), rng.uniform(0.55, 0.75)]) * rng.uniform(70, 245)
    size = np.linalg.norm(quad - np.roll(quad, -1, 0), axis=1).mean()
    thick = size * rng.uniform(0.16, 0.3)
    middle = quad.mean(0)
    for _ in range(int(rng.integers(1, 4))):
        n = rng.integers(4)
        if rng.random() < 0.4:
            at = quad[n]
        else:
            at = quad[n] + (quad[(n + 1) % 4] - quad[n]) * rng.uniform(0.1, 0.9)
        inward = (middle - at) / (np.linalg.norm(middle - at) + 1e-6)
        tip = at + inward * thick * rng.uniform(-0.45, 0.55)
        swing = rng.normal(0, 0.5)
        c, s = np.cos(swing), np.sin(swing)
        away = -(np.array([[c, -s], [s, c]]) @ inward)
        capsule(canvas, tip, tip + away * size * rng.uniform(0.7, 2.5), thick, tone, tone * rng.uniform(0.5, 0.8), thick / 20 + 0.6)


def clutter(rng, canvas, camera, quad_on_plane, photographs, count, free):
    """Things on the table. `free`: none covers the document by much."""
    documents = camera.seen(quad_on_plane)
    for _ in range(count):
        spread = max(camera.distance * 0.8, 1.0)
        middle = rng.normal(0, spread * 0.45, 2)
        kind = rng.random()
        if kind < 0.72:
            picture, is_round = photographs.thing(rng)
            ratio = picture.shape[1] / picture.shape[0]
            longer = rng.choice([1.0, 1.0, rng.uniform(0.4, 1.2), rng.uniform(1.2, 3.5)])
            turn = rng.uniform(0, 2 * np.pi) if rng.random() < 0.6 else rng.normal(0, 0.08) + rng.integers(4) * np.pi / 2
            corners = place(ratio, middle, turn, longer * min(1, ratio) if ratio < 1 else longer)
            if not camera.looks_on(corners):
                continue
            quad = camera.seen(corners)
            if free and covered(documents, quad, canvas.shape) > 0.03:
                continue
            mask = rounded(picture.shape[:2], rng.uniform(0.02, 0.1) * picture.shape[1] if is_round else 0)
            paste(canvas, np.clip(picture, 0, 255).astype(np.uint8), mask, quad, shade(rng, quad))
        elif kind < 0.9:  # pen or cable
            angle, long = rng.uniform(0, 2 * np.pi), rng.uniform(0.8, 2.5)
            ends = np.array([middle, middle + long * np.array([np.cos(angle), np.sin(angle)])])
            if not camera.looks_on(ends):
                continue
            a, b = camera.seen(ends)
            tone = draw.colour(rng)
            capsule(canvas, a, b, max(1.5, np.linalg.norm(a - b) / long * rng.uniform(0.01, 0.12)), tone, tone * 0.6, 0.7)
        else:  # cup, coin
            if not camera.looks_on(middle[None]):
                continue
            at = camera.seen(middle[None])[0]
            r = int(np.clip(camera.focal / camera.distance * rng.uniform(0.1, 0.5), 3, 300))
            if free and covered(documents, at + r * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]), canvas.shape) > 0.03:
                continue
            tone = draw.colour(rng)
            at = tuple(int(v) for v in np.clip(at, -2000, 2000))
            for share in (1, 0.85, 0.7):
                cv2.circle(canvas, at, max(1, int(r * share)), tuple(map(float, np.clip(tone * rng.uniform(0.5, 1.2), 0, 255))), -1, cv2.LINE_AA)


def covered(document, other, shape):
    """Share of the document that the other covers."""
    common, _ = cv2.intersectConvexConvex(np.float32(document), np.float32(other))
    return common / max(area(document), 1.0)


def shade(rng, quad):
    if rng.random() < 0.35:
        return None
    size = np.sqrt(area(quad)) + 2
    return (*rng.normal(0, 0.02 * size, 2), max(0.6, size * rng.uniform(0.004, 0.05)), rng.uniform(0.1, 0.7))


def light(rng, canvas, quads):
    """Fall-off, cast shadows, reflections; linear enough for the purpose."""
    height, width = canvas.shape[:2]
    if rng.random() < 0.7:
        canvas *= wide(1 + (draw.noise(rng, (height, width), (3, 3)) - 0.5) * rng.uniform(0, 0.7))
    if rng.random() < 0.3:
        for _ in range(int(rng.integers(1, 3))):
            mask = np.zeros((height // 2, width // 2), np.uint8)
            p = np.array([rng.uniform(0, width / 2), rng.uniform(0, height / 2)])
            angle, long = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.5) * width
            d = np.array([np.cos(angle), np.sin(angle)])
            n = np.array([-d[1], d[0]]) * rng.uniform(0.3, 1) * long
            far = p + d * 1000
            cv2.fillPoly(mask, [np.int32([p - n, p + n, far + n * rng.uniform(0.6, 1.5), far - n])], 255)
            mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.8, 14))
            mask = cv2.resize(mask, (width, height)).astype(np.float32) / 255
            canvas *= wide(1 - mask * rng.uniform(0.2, 0.75))
    if quads and rng.random() < 0.4:
        quad = quads[0]
        size = np.sqrt(area(quad)) + 4
        for _ in range(int(rng.integers(1, 4))):
            mask = np.zeros((height, width), np.uint8)
            share = rng.uniform(-0.1, 1.1, 2)
            top = quad[0] + (quad[1] - quad[0]) * share[0]
            low = quad[3] + (quad[2] - quad[3]) * share[0]
            at = tuple(int(v) for v in np.clip(top + (low - top) * share[1], -2000, 2000))
            axes = tuple(int(v) for v in np.maximum(size * rng.uniform(0.03, 0.35, 2), 1))
            cv2.ellipse(mask, at, axes, float(rng.uniform(0, 180)), 0, 360, 255, -1)
            mask = softened(mask, size * rng.uniform(0.01, 0.15))
            tone = np.float32([255, rng.uniform(235, 255), rng.uniform(210, 255)])
            mask = mask.astype(np.float32) * (rng.uniform(0.2, 1.6) / 255)
            canvas += cv2.merge([mask * float(v) for v in tone])
    return canvas


def lens(rng, canvas, size):
    """Exposure, cast, blur, down to the network's size, noise, JPEG."""
    picture = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)
    if rng.random() < 0.25:  # movement
        kernel = np.zeros((7, 7), np.float32)
        angle, long = rng.uniform(0, np.pi), rng.uniform(0.5, 3.0)
        for at in np.linspace(-1, 1, 9) * long:
            kernel[round(3 + at * np.sin(angle)), round(3 + at * np.cos(angle))] += 1
        picture = cv2.filter2D(picture, -1, kernel / kernel.sum())
    if rng.random() < 0.4:
        sigma = rng.uniform(0.3, 0.8) if rng.random() < 0.75 else rng.uniform(0.8, 2)
        picture = cv2.GaussianBlur(picture, (0, 0), float(sigma))
    gain = np.exp(rng.normal(-0.04, 0.18)) * np.exp(rng.normal(0, 0.07, 3))
    if rng.random() < 0.1:
        gain *= rng.uniform(0.3, 0.8)
    value = np.clip(np.arange(0, 256)[:, None] / 255 * gain, 0, 1)
    if rng.random() < 0.5:
        value = value ** np.exp(rng.normal(0, 0.25))
    if rng.random() < 0.3:  # haze, grey blacks
        low = rng.uniform(0, 0.2)
        value = low + value * (1 - low)
    table = np.round(value * 255).astype(np.uint8)[None]
    picture = cv2.LUT(cv2.convertScaleAbs(np.maximum(picture, 0)), table).astype(np.float32)
    if rng.random() < 0.15:
        grey = wide(picture.mean(2))
        picture = grey + (picture - grey) * rng.uniform(0, 0.8)
    if rng.random() < 0.6:
        sigma = rng.uniform(0.5, 3) if rng.random() < 0.8 else rng.uniform(3, 12)
        grain = rng.standard_normal((picture.shape[0], picture.shape[1], 3), np.float32) * sigma
        if rng.random() < 0.4:
            grain = cv2.GaussianBlur(grain, (0, 0), 0.7) * 1.6
        picture = picture + grain
    if rng.random() < 0.2:  # sharpened
        picture = picture + (picture - cv2.GaussianBlur(picture, (0, 0), 1.0)) * rng.uniform(0.2, 1.0)
    picture = np.clip(picture + 0.5, 0, 255).astype(np.uint8)
    if rng.random() < 0.25:
        _, code = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 90))])
        picture = cv2.imdecode(code, cv2.IMREAD_COLOR)
    return picture


def marks(size, quads):
    """Inside, border, corner: maps of a quarter of the picture's size."""
    w, h = size[0] // CELL, size[1] // CELL
    y, x = np.mgrid[0:h, 0:w].astype(np.float32) + 0.5
    maps = np.zeros((3, h, w), np.float32)
    for quad in quads:
        q = (quad / CELL).astype(np.float32)
        # Area covered, by distance to the sides: exact enough on this grid.
        inside, border = np.full((h, w), 1e3, np.float32), np.full((h, w), 1e3, np.float32)
        turn = np.sign(np.cross(q[1] - q[0], q[2] - q[1])) or 1
        for n in range(4):
            a, d = q[n], q[(n + 1) % 4] - q[n]
            length = max(float(np.hypot(*d)), 1e-3)
            aside = turn * (d[0] * (y - a[1]) - d[1] * (x - a[0])) / length
            inside = np.minimum(inside, aside)
            t = np.clip(((x - a[0]) * d[0] + (y - a[1]) * d[1]) / length**2, 0, 1)
            border = np.minimum(border, np.hypot(x - a[0] - t * d[0], y - a[1] - t * d[1]))
            maps[2] = np.maximum(maps[2], np.exp(-((x - a[0]) ** 2 + (y - a[1]) ** 2) / (2 * 1.25**2)))
        maps[0] = np.maximum(maps[0], np.clip(inside + 0.5, 0, 1))
        maps[1] = np.maximum(maps[1], np.clip(1.75 - border, 0, 1))
    return np.round(maps * 255).astype(np.uint8)


def booklet(rng, canvas, camera, ratio, photographs):
    """The other page, on the far side of the fold, and the cover around both."""
    page = draw.near(rng, np.array([235, 228, 220]), 16)
    other = draw.sheet(rng, (340, 480), page) if rng.random() < 0.5 else photographs.invented(rng)[0]
    if rng.random() < 0.4:
        other = draw.mixed(page, draw.near(rng, page, 25), draw.noise(rng, (340, 480), (6, 6)))
    side = rng.choice([-1, 1], p=[0.85, 0.15])
    cover = draw.plain(rng, (60, 60)) * rng.uniform(0.3, 1)
    reach = rng.uniform(0.0, 0.03)
    both = place(ratio / 2, (0, side / ratio / 2), 0, 1.0) * [1 + reach, 1] + [0, 0]
    both[:, 1] = (both[:, 1] - both[:, 1].mean()) * (1 + reach) + both[:, 1].mean()
    quads = [both, place(ratio, (0, side / ratio), 0, 1.0)]
    if not all(camera.looks_on(q) for q in quads):
        return
    seen = camera.seen(both)
    paste(canvas, np.clip(cover, 0, 255).astype(np.uint8), rounded((60, 60), 2), seen, shade(rng, seen))
    fold = (0, 0, 2.0, 0.3)
    paste(canvas, np.clip(other, 0, 255).astype(np.uint8), rounded((340, 480), 6), camera.seen(quads[1]), fold)


def one(rng, flats, photographs, size):
    """A picture (RGB) and its maps."""
    width, height = int(size[0] * FINE), int(size[1] * FINE)
    empty = rng.random() < 0.1
    picture, radius, passport = flats.one(rng, photographs)
    ratio = picture.shape[1] / picture.shape[0]
    fill = np.exp(rng.uniform(np.log(0.03), np.log(0.95))) if rng.random() < 0.8 else rng.uniform(0.1, 0.6)
    for _ in range(20):
        longer_px = np.sqrt(fill * width * height * ratio)
        held = rng.random() < 0.15
        camera = Camera(rng, width, height, longer_px, ratio, held)
        corners = place(ratio)
        quad = camera.seen(corners)
        extent = np.ptp(quad, 0)
        partial = rng.random() < 0.1
        room = np.maximum(np.array([width, height]) - extent, 0) / 2
        if (extent > [width * 1.02, height * 1.02]).any() and not partial:
            fill *= 0.8
            continue
        spot = rng.uniform(-1, 1, 2) * room
        if partial:
            spot += rng.choice([-1, 0, 1], 2) * extent * rng.uniform(0.05, 0.35)
        camera.move(spot + np.array([width, height]) / 2 - (quad.min(0) + quad.max(0)) / 2)
        if camera.looks_on(corners * 1.2):
            break
    quad = camera.seen(corners)
    if held:
        canvas = photographs.room(rng, (height, width))
    else:
        texture = photographs.ground(rng)
        if rng.random() < 0.16:  # ground like the document's rim
            rim = np.concatenate([picture[:12].reshape(-1, 3), picture[-12:].reshape(-1, 3)]).mean(0)
            base = draw.near(rng, rim, 9)
            less = np.float32(rng.uniform(0.0, 0.3) if rng.random() < 0.7 else 0)
            base = (base - texture.mean((0, 1)) * less).tolist()
            texture = cv2.merge([cv2.convertScaleAbs(np.ascontiguousarray(texture[..., n]), alpha=float(less), beta=base[n]) for n in range(3)])
        angle, scale = rng.uniform(0, 2 * np.pi) if rng.random() < 0.5 else 0.0, rng.uniform(0.9, 3) * max(camera.distance, 1.0) / draw.TEXTURE_PX
        c, s = np.cos(angle) * scale, np.sin(angle) * scale
        on_plane = np.array([[c, -s, -256 * c + 256 * s], [s, c, -256 * s - 256 * c], [0, 0, 1]])
        canvas = cv2.warpPerspective(np.ascontiguousarray(texture), camera.plane @ on_plane, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101).astype(np.float32)
        if rng.random() < 0.15:  # the table ends
            side = rng.uniform(-1, 1, 2) * [width, height] * 0.5 + [width / 2, height / 2]
            d = rng.normal(0, 1, 2)
            d *= 3000 / (np.hypot(*d) + 1e-6)
            n = np.array([-d[1], d[0]])
            if np.dot(quad.mean(0) - side, n) > 0:
                n = -n
            far = np.int32([side - d, side + d, side + d + n, side - d + n])
            mask = np.zeros((height, width), np.uint8)
            cv2.fillPoly(mask, [far], 255)
            other = photographs.room(rng, (height, width))
            canvas += (other - canvas) * wide(mask.astype(np.float32) / 255)
        busy = rng.random()
        count = 0 if busy < 0.3 else int(rng.integers(1, 4)) if busy < 0.65 else int(rng.integers(4, 11))
        clutter(rng, canvas, camera, corners, photographs, count, False)
    quads = []
    if not empty:
        if passport and not held and rng.random() < 0.45:
            booklet(rng, canvas, camera, ratio, photographs)
        card = picture
        if rng.random() < 0.1:
            card = cv2.rotate(card, cv2.ROTATE_180)
        paste(canvas, card, rounded(card.shape[:2], radius * card.shape[1]), quad, shade(rng, quad))
        quads.append(quad)
        if rng.random() < 0.1:
            second, radius2, _ = flats.one(rng, photographs)
            for _ in range(8):
                longer = rng.uniform(0.8, 1.5)
                corners2 = place(second.shape[1] / second.shape[0], rng.normal(0, 0.9, 2), rng.uniform(0, 2 * np.pi), longer)
                if not camera.looks_on(corners2):
                    continue
                quad2 = camera.seen(corners2)
                if covered(quad2, quad, None) < 0.01 and covered(quad2, np.array([[0, 0], [width, 0], [width, height], [0, height]]), None) > 0.4:
                    paste(canvas, second, rounded(second.shape[:2], radius2 * second.shape[1]), quad2, shade(rng, quad2))
                    quads.append(quad2)
                    break
        if held or rng.random() < 0.13:
            fingers(rng, canvas, quad, held)
        if not held and rng.random() < 0.2:
            clutter(rng, canvas, camera, corners, photographs, int(rng.integers(1, 3)), True)
    elif rng.random() < 0.6:  # what looks like one
        thing, is_round = photographs.thing(rng)
        paste(canvas, np.clip(thing, 0, 255).astype(np.uint8), rounded(thing.shape[:2], 8 if is_round else 0), camera.seen(place(thing.shape[1] / thing.shape[0])), shade(rng, quad))
        if rng.random() < 0.2:
            fingers(rng, canvas, quad, held)
    canvas = light(rng, canvas, quads or [quad])
    return lens(rng, canvas, size), marks(size, [q / FINE for q in quads]), quads[0] / FINE if quads else np.zeros((4, 2))


def main():
    ask = argparse.ArgumentParser()
    ask.add_argument("--flats", required=True)
    ask.add_argument("--out", required=True)
    ask.add_argument("--shards", type=int, default=20)
    ask.add_argument("--count", type=int, default=1500)
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--test", action="store_true", help="with the designs held out")
    args = ask.parse_args()
    cv2.setNumThreads(1)
    os.makedirs(args.out, exist_ok=True)
    flats, photographs = Flats(args.flats, args.test), real_photographs()
    flats.pure = args.test
    for shard in range(args.shards):
        rng = np.random.default_rng([args.seed, shard, int(args.test)])
        begin, kept = time.process_time(), {}
        for n, share in enumerate(SHAPE_SHARES):
            size = SHAPES[n]
            drawn = [one(rng, flats, photographs, size) for _ in range(round(args.count * share))]
            kept |= {f"x{n}": np.stack([d[0] for d in drawn]), f"y{n}": np.stack([d[1] for d in drawn]), f"q{n}": np.stack([d[2] for d in drawn])}
        name = os.path.join(args.out, f"{'test' if args.test else 'train'}-{args.seed:02}-{shard:03}.npz")
        np.savez(name + ".part.npz", **kept)
        os.replace(name + ".part.npz", name)
        print(f"{name}: {1000 * (time.process_time() - begin) / args.count:.1f} ms a picture", flush=True)


if __name__ == "__main__":
    main()
