"""What pictures are drawn with besides documents: grounds, and things that are none."""

import cv2
import numpy as np

TEXTURE_PX = 512


def noise(rng, shape, cells):
    """Smooth noise 0..1, `cells` each way."""
    cells = (max(2, int(cells[0])), max(2, int(cells[1])))
    small = rng.random(cells, np.float32)
    return np.clip(cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), 0, 1)


def colour(rng):
    """Mostly what furniture, walls and paper have, sometimes anything."""
    kind = rng.random()
    if kind < 0.35:  # greys, near white and near black too
        return np.clip(rng.choice([rng.uniform(15, 80), rng.uniform(80, 190), rng.uniform(190, 250)]) + rng.normal(0, 5, 3), 0, 255)
    if kind < 0.65:  # browns and beiges
        light = rng.uniform(40, 240)
        return np.clip(light * np.array([1, rng.uniform(0.7, 0.95), rng.uniform(0.4, 0.88)]), 0, 255)
    hsv = np.uint8([[[rng.integers(180), rng.integers(40, 255), rng.integers(40, 255)]]])
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float64)


def near(rng, base, spread):
    return np.clip(base + rng.normal(0, spread) + rng.normal(0, spread / 3, 3), 0, 255)


def filled(shape, value):
    return np.ones((*shape, 3), np.float32) * np.float32(value)


def mixed(a, b, share):
    return (np.float32(a) + (np.float32(b) - np.float32(a)) * share[..., None]).astype(np.float32)


def plain(rng, shape):
    base = colour(rng)
    grain = noise(rng, shape, (shape[0] // 3, shape[1] // 3))
    return mixed(base, near(rng, base, 8), grain)


def gradient(rng, shape):
    a, b = colour(rng), colour(rng)
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    share = (x * np.cos(angle) + y * np.sin(angle)) / max(shape)
    share = (share - share.min()) / (np.ptp(share) + 1e-6)
    return mixed(a, near(rng, a, 40) if rng.random() < 0.7 else b, share)


def wood(rng, shape):
    base = colour(rng) if rng.random() < 0.25 else np.array([1, rng.uniform(0.65, 0.85), rng.uniform(0.4, 0.7)]) * rng.uniform(60, 230)
    ground = mixed(base, base * rng.uniform(0.55, 0.9), noise(rng, shape, (rng.integers(20, 120), rng.integers(2, 6))))
    if rng.random() < 0.6:  # boards
        step = int(rng.integers(40, 200))
        for y in range(int(rng.integers(0, step)), shape[0], step):
            ground[y : y + step] *= rng.uniform(0.85, 1.12)
            ground[y : y + int(rng.integers(1, 4))] *= rng.uniform(0.4, 0.8)
    rings = np.sin(noise(rng, shape, (6, 3)) * rng.uniform(20, 90)) * rng.uniform(0.02, 0.08)
    return ground * (1 + rings[..., None].astype(np.float32))


def cloth(rng, shape):
    a, b = colour(rng), colour(rng)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    period = rng.uniform(4, 50)
    kind = rng.integers(4)
    if kind == 0:
        share = ((x // period + y // period) % 2) * 0.5 + ((x // period) % 2) * 0.25
    elif kind == 1:
        share = (np.sin(x / period) > rng.uniform(-0.8, 0.8)).astype(np.float32)
    elif kind == 2:
        share = np.clip(0.5 + 0.5 * np.sin(x / period * 6) * np.sin(y / period * 6), 0, 1)
    else:
        share = noise(rng, shape, (shape[0] / period * 3, shape[1] / period * 3))
    return mixed(a, near(rng, a, 25) if rng.random() < 0.6 else b, share * rng.uniform(0.4, 1))


def tiles(rng, shape):
    base = colour(rng)
    ground = mixed(base, near(rng, base, 14), noise(rng, shape, (30, 30)))
    wide, high = rng.integers(40, 260, 2)
    if rng.random() < 0.4:
        high = wide
    joint = near(rng, base, 60)
    thick = int(rng.integers(1, 8))
    for row, y in enumerate(range(-int(rng.integers(0, high)), shape[0], high)):
        shift = wide // 2 if row % 2 and rng.random() < 0.5 else 0
        for x in range(-shift, shape[1], wide):
            cv2.rectangle(ground, (x, y), (x + int(wide), y + int(high)), tuple(map(float, joint)), thick)
    return ground


def marble(rng, shape):
    base = colour(rng)
    veins = sum(noise(rng, shape, (n, n)) / n**0.5 for n in (3, 7, 15, 40))
    share = np.abs(np.sin(veins * rng.uniform(3, 14))) ** rng.uniform(0.3, 4)
    return mixed(base, near(rng, base, 50), share)


def speckled(rng, shape):
    base = colour(rng)
    share = (rng.random((shape[0] // 2, shape[1] // 2), np.float32) < rng.uniform(0.02, 0.3)).astype(np.float32)
    share = cv2.GaussianBlur(cv2.resize(share, (shape[1], shape[0])), (0, 0), rng.uniform(0.5, 3))
    return mixed(base, near(rng, base, 60), share)


def lines_of_text(rng, ground, box, ink, high, line):
    """Words as bars of strokes: at this size nobody reads them."""
    left, top, right, bottom = map(int, box)
    y = top
    while y + high <= bottom:
        x = left
        end = right if rng.random() < 0.7 else left + int((right - left) * rng.uniform(0.3, 1))
        while x < end:
            word = int(high * rng.uniform(1, 5))
            stop = min(x + word, end)
            if stop > x:
                area = ground[y : y + high, x:stop]
                strokes = rng.random((max(1, high // 2), max(1, (stop - x) // 2)), np.float32)
                strokes = cv2.resize(strokes, (stop - x, high))[: area.shape[0], : area.shape[1]]
                area += (np.float32(ink) - area) * np.clip(strokes * 1.6 - 0.3, 0, 1)[..., None]
            x = stop + max(1, int(high * rng.uniform(0.3, 0.8)))
        y += line


def sheet(rng, shape, paper=None):
    """Printed paper: text, perhaps boxes, rules, a picture, a heading."""
    paper = near(rng, np.array([238, 236, 230]), 12) if paper is None else paper
    ground = filled(shape, paper)
    ink = near(rng, np.array([45, 45, 50]), 25) if rng.random() < 0.8 else colour(rng)
    m = int(min(shape) * rng.uniform(0.04, 0.14))
    high = int(np.clip(shape[0] * rng.uniform(0.008, 0.03), 2, 20))
    line = int(high * rng.uniform(1.4, 2.6)) + 1
    y = m
    while y < shape[0] - m:
        kind, deep = rng.random(), int(shape[0] * rng.uniform(0.08, 0.4))
        low, right = min(y + deep, shape[0] - m), shape[1] - m
        if kind < 0.55:
            columns = int(rng.integers(1, 4)) if shape[1] > 200 else 1
            for n in range(columns):
                w = (right - m) / columns
                lines_of_text(rng, ground, (m + n * w, y, m + (n + 1) * w - (m / 2 if columns > 1 else 0), low), ink, high, line)
        elif kind < 0.7:  # table
            for n in range(int(rng.integers(2, 7))):
                x = m + int((right - m) * rng.random())
                cv2.line(ground, (x, y), (x, low), tuple(map(float, ink)), 1)
            for yy in range(y, low, line * 2):
                cv2.line(ground, (m, yy), (right, yy), tuple(map(float, ink)), 1)
            cv2.rectangle(ground, (m, y), (right, low), tuple(map(float, ink)), 1)
        elif kind < 0.85:  # box or picture
            x = m + int((right - m) * rng.uniform(0, 0.5))
            end = min(right, x + int((right - m) * rng.uniform(0.2, 0.9)))
            thick = -1 if rng.random() < 0.6 else int(rng.integers(1, 4))
            cv2.rectangle(ground, (x, y), (end, low), tuple(map(float, colour(rng))), thick)
        else:  # heading
            lines_of_text(rng, ground, (m, y, m + (right - m) * rng.uniform(0.3, 0.9), y + high * 3), ink, high * 2 + 1, 10**6)
        y = low + line
    return ground


def keys(rng, shape):
    """Keyboard, egg box, shelf: a grid of boxes."""
    base = colour(rng)
    ground = filled(shape, base)
    key, ink = near(rng, base, 40), colour(rng)
    wide, high = int(rng.integers(18, 80)), int(rng.integers(18, 70))
    gap = int(rng.integers(2, 10))
    for row, y in enumerate(range(0, shape[0], high)):
        x = -int(rng.integers(0, wide))
        while x < shape[1]:
            w = wide * (1 if rng.random() < 0.85 else int(rng.integers(2, 5)))
            cv2.rectangle(ground, (x + gap, y + gap), (x + w - gap, y + high - gap), tuple(map(float, near(rng, key, 4))), -1)
            if rng.random() < 0.8:
                cv2.circle(ground, (x + wide // 2, y + high // 2), max(1, high // 8), tuple(map(float, ink)), -1)
            x += w
    return ground


def photograph(rng, shape, photographs):
    picture = photographs[rng.integers(len(photographs))]
    h, w = picture.shape[:2]
    side = rng.uniform(0.3, 1)
    ch, cw = max(8, int(h * side)), max(8, int(w * side))
    y, x = rng.integers(0, h - ch + 1), rng.integers(0, w - cw + 1)
    cut = cv2.resize(picture[y : y + ch, x : x + cw], (shape[1], shape[0]), interpolation=cv2.INTER_AREA if cw > shape[1] else cv2.INTER_LINEAR)
    if rng.random() < 0.5:
        cut = cut[:, ::-1]
    if rng.random() < 0.4:
        cut = cut[..., rng.permutation(3)]
    return cut.astype(np.float32)


def room(rng, shape, photographs):
    """What is behind a hand that holds a document: blobs and walls, out of focus."""
    if rng.random() < 0.4:
        ground = photograph(rng, shape, photographs)
    else:
        ground = gradient(rng, shape)
        for _ in range(int(rng.integers(2, 12))):
            c = tuple(map(float, colour(rng)))
            x, y = int(rng.integers(-50, shape[1])), int(rng.integers(-50, shape[0]))
            w, h = (int(v) for v in rng.integers(20, 400, 2))
            if rng.random() < 0.75:
                cv2.rectangle(ground, (x, y), (x + w, y + h), c, -1)
            else:
                cv2.ellipse(ground, (x, y), (w // 2, h // 2), float(rng.uniform(0, 180)), 0, 360, c, -1)
    return cv2.GaussianBlur(ground, (0, 0), float(rng.uniform(2, 14)))


GROUNDS = [plain, gradient, wood, wood, cloth, tiles, marble, speckled, keys]


def ground(rng, photographs):
    shape = (TEXTURE_PX, TEXTURE_PX)
    kind = rng.random()
    if kind < 0.12:
        return photograph(rng, shape, photographs)
    if kind < 0.2:
        return sheet(rng, shape)
    picture = GROUNDS[rng.integers(len(GROUNDS))](rng, shape)
    return np.clip(picture, 0, 255)


def thing(rng, photographs):
    """A flat thing that is no identity document: its picture, and whether its corners are round."""
    ratio = rng.choice([1.585, 1.414, 1.0, 2.0, 1.3, rng.uniform(1, 3)])
    wide = int(rng.integers(120, 320))
    shape = (int(wide / ratio), wide)
    kind = rng.random()
    if kind < 0.18:  # blank, as a card or a note
        picture = plain(rng, shape) if rng.random() < 0.6 else gradient(rng, shape)
        if rng.random() < 0.3:
            cv2.rectangle(picture, (4, 4), (shape[1] - 5, shape[0] - 5), tuple(map(float, colour(rng))), int(rng.integers(1, 6)))
        return picture, rng.random() < 0.5
    if kind < 0.45:  # paper, upright or lying
        picture = sheet(rng, shape if rng.random() < 0.4 else shape[::-1], None if rng.random() < 0.7 else colour(rng))
        return picture, False
    if kind < 0.56:  # book cover, poster, label: one ground, large type, perhaps a picture
        picture = plain(rng, shape) if rng.random() < 0.5 else gradient(rng, shape)
        ink = tuple(colour(rng))
        high = max(3, int(shape[0] * rng.uniform(0.07, 0.2)))
        lines_of_text(rng, picture, (shape[1] * 0.1, shape[0] * rng.uniform(0.05, 0.6), shape[1] * 0.9, shape[0] * 0.95), ink, high, int(high * rng.uniform(1.5, 6)))
        if rng.random() < 0.4:
            h, w = shape[0] // 2, shape[1] // 2
            picture[h // 2 : h // 2 + h, w // 2 : w // 2 + w] = photograph(rng, (h, w), photographs)
        return picture, rng.random() < 0.3
    if kind < 0.66:  # photograph, with or without a margin
        picture = photograph(rng, shape, photographs)
        if rng.random() < 0.5:
            m = int(min(shape) * 0.06) + 1
            picture[:m] = picture[-m:] = 240
            picture[:, :m] = picture[:, -m:] = 240
        return picture, False
    if kind < 0.8:  # phone or screen
        picture = filled(shape, colour(rng) * 0.4)
        m = int(min(shape) * rng.uniform(0.02, 0.12)) + 1
        inner = (shape[0] - 2 * m, shape[1] - 2 * m)
        if inner[0] > 8 and inner[1] > 8:
            screen = filled(inner, rng.uniform(8, 40)) if rng.random() < 0.5 else photograph(rng, inner, photographs) if rng.random() < 0.5 else sheet(rng, inner, colour(rng))
            picture[m : m + inner[0], m : m + inner[1]] = screen
        return picture, True
    if kind < 0.93:  # bank, loyalty or business card: little text, a chip, a mark, no portrait
        shape = (wide * 54 // 86, wide)
        picture = gradient(rng, shape) if rng.random() < 0.6 else plain(rng, shape)
        ink = tuple(colour(rng))
        if rng.random() < 0.5:
            x, y, s = int(wide * 0.1), int(shape[0] * 0.38), int(wide * 0.13)
            cv2.rectangle(picture, (x, y), (x + s, y + s * 3 // 4), (205.0, 180.0, 110.0), -1)
        high = max(3, int(shape[0] * rng.uniform(0.05, 0.1)))
        for _ in range(int(rng.integers(1, 4))):
            y = shape[0] * rng.uniform(0.05, 0.85)
            lines_of_text(rng, picture, (wide * rng.uniform(0.07, 0.5), y, wide * rng.uniform(0.55, 0.95), y + high * 2), ink, high, 10**6)
        if rng.random() < 0.5:
            cv2.circle(picture, (int(wide * 0.85), int(shape[0] * rng.uniform(0.2, 0.8))), int(wide * 0.07), tuple(map(float, colour(rng))), -1)
        return picture, True
    return keys(rng, shape), True  # keyboard, remote control


def invented(rng, photographs):
    """A document of no design: ground with a pattern, portrait, fields, perhaps a zone; so that the designs' own
    look is not learnt by heart."""
    passport = rng.random() < 0.4
    wide = 480
    high = int(wide * (88 / 125 if passport else 54 / 85.6))
    shape = (high, wide)
    a = np.clip(rng.uniform(150, 245) + rng.normal(0, 18, 3), 0, 255)
    ground = mixed(a, near(rng, a, 30), noise(rng, shape, (4, 6)))
    y, x = np.mgrid[0:high, 0:wide].astype(np.float32)
    wave = np.sin(x * rng.uniform(0.05, 0.6) + np.sin(y * rng.uniform(0.02, 0.3)) * rng.uniform(1, 6) + y * rng.uniform(0, 0.5))
    ground += (np.float32(colour(rng)) - ground) * (np.clip(wave, 0, 1) * rng.uniform(0.02, 0.3))[..., None]
    ink = np.array([30, 30, 40]) + rng.normal(0, 12, 3)
    if rng.random() < 0.7:  # heading, sometimes on a band
        deep = int(high * rng.uniform(0.08, 0.2))
        if rng.random() < 0.6:
            ground[:deep] = mixed(ground[:deep], colour(rng), np.full((deep, wide), rng.uniform(0.4, 1), np.float32))
        lines_of_text(rng, ground, (wide * 0.1, deep * 0.2, wide * 0.9, deep * 0.9), colour(rng), max(4, deep // 3), deep // 2)
    low = high
    if passport or rng.random() < 0.25:  # zone
        low = int(high * rng.uniform(0.7, 0.8))
        if rng.random() < 0.5:
            ground[low:] = near(rng, np.array([235, 235, 235]), 10)
        lines_of_text(rng, ground, (wide * 0.04, low + high * 0.04, wide * 0.96, high * 0.97), ink, int(high * 0.045), int(high * 0.09))
    sides = ["left", "right"] if rng.random() < 0.1 else [str(rng.choice(["left", "left", "right", "none"]))]
    left, right = wide * 0.05, wide * 0.95
    for side in sides:
        if side == "none":
            continue
        w = int(wide * rng.uniform(0.2, 0.32))
        h = min(int(w * rng.uniform(1.15, 1.4)), int(low * 0.72))
        px = int(wide * rng.uniform(0.03, 0.07)) if side == "left" else int(wide * 0.95 - w)
        py = int(rng.uniform(0.2 * low, low - h))
        ground[py : py + h, px : px + w] = portrait(rng, (h, w), photographs)
        left, right = (px + w + wide * 0.03, right) if side == "left" else (left, px - wide * 0.03)
    size = int(rng.integers(6, 14))
    lines_of_text(rng, ground, (left, high * 0.22, right, low * 0.95), ink, size, int(size * rng.uniform(1.6, 3.5)))
    return np.clip(ground, 0, 255).astype(np.uint8), (rng.uniform(0, 4) / 125 if passport else 3.18 / 85.6), passport


def portrait(rng, shape, photographs):
    h, w = shape
    if rng.random() < 0.25:
        return photograph(rng, shape, photographs)
    face = filled(shape, near(rng, np.array([215, 220, 225]), 18))
    skin = np.array([1, rng.uniform(0.7, 0.85), rng.uniform(0.55, 0.75)]) * rng.uniform(60, 235)
    hair, coat = near(rng, np.array([50, 40, 35]), 35), colour(rng)
    cv2.ellipse(face, (w // 2, h), (int(w * 0.48), int(h * 0.28)), 0, 0, 360, tuple(map(float, coat)), -1)
    cv2.ellipse(face, (w // 2, int(h * 0.4)), (int(w * 0.3), int(h * 0.33)), 0, 0, 360, tuple(map(float, hair)), -1)
    cv2.ellipse(face, (w // 2, int(h * 0.48)), (int(w * 0.23), int(h * 0.28)), 0, 0, 360, tuple(map(float, skin)), -1)
    for s in (-1, 1):
        cv2.circle(face, (w // 2 + s * int(w * 0.1), int(h * 0.43)), max(1, w // 25), (40.0, 30.0, 30.0), -1)
    cv2.line(face, (w // 2 - w // 12, int(h * 0.62)), (w // 2 + w // 12, int(h * 0.62)), tuple(map(float, skin * 0.6)), 2)
    return cv2.GaussianBlur(face, (0, 0), 1.5)
