"""Figures of an exported file on held-out lines: `python evaluate.py arabic.onnx FOLDER_WITH_test-*.npz`.

Held out twice: words that training has not seen, in fonts that it has not seen.
"""

import collections
import difflib
import glob
import os
import sys
import time

import numpy as np
import onnxruntime

from charset import BLANK, decode
from render import HEIGHT, load
from train import distance, normalised


def read(session, crop):
    """(text, mean probability of its characters, seconds of processor)"""
    started = time.process_time()
    (out,) = session.run(None, {"x": normalised(crop)[None, None]})
    spent = time.process_time() - started
    best = out[0].argmax(-1)
    kept = [out[0, i, k] for i, k in enumerate(best) if k != BLANK and (i == 0 or best[i - 1] != k)]
    return decode(best.tolist()), float(np.mean(kept)) if kept else 0.0, spent


def main(path, folder):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    lines = [line for name in sorted(glob.glob(os.path.join(folder, "test-*.npz"))) for line in load(name)]
    groups, confused, calibration, exact, slow = (
        collections.defaultdict(lambda: [0, 0]),
        collections.Counter(),
        [],
        0,
        [],
    )
    for crop, text, font, size in lines:
        got, sure, _ = read(session, crop)
        wrong = distance(got, text)
        height = next(f"{a}..{b} px" for a, b in ((12, 16), (16, 20), (20, 28), (28, 49)) if size < b)
        kind = "numbers" if not any("ء" <= c <= "ي" for c in text) else "words"
        for group in ("all", "font " + font, "ink height " + height, kind):
            groups[group][0] += wrong
            groups[group][1] += len(text)
        calibration.append((sure, got == text))
        exact += got == text
        for tag, a0, a1, b0, b1 in difflib.SequenceMatcher(None, text, got, autojunk=False).get_opcodes():
            if tag != "equal":
                confused[(text[a0:a1], got[b0:b1])] += 1
    for group, (wrong, count) in sorted(groups.items()):
        print(f"{group}: CER {wrong / count:.4f} of {count} characters")
    print(f"lines exact: {exact / len(lines):.4f} of {len(lines)}")
    for low, high in ((0, 0.5), (0.5, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 0.95), (0.95, 0.98), (0.98, 1.01)):
        inside = [right for sure, right in calibration if low <= sure < high]
        if inside:
            print(f"confidence {low}..{min(high, 1)}: {np.mean(inside):.3f} exact of {len(inside)} lines")
    print("most confused (is, read as):", [(a, b, n) for (a, b), n in confused.most_common(30)])
    blank = np.random.default_rng(0).integers(0, 255, (HEIGHT, 320)).astype(np.uint8)
    for _ in range(50):
        slow.append(read(session, blank)[2])
    print(f"320 px wide, one thread: {np.median(slow) * 1e3:.2f} ms of processor, {os.path.getsize(path)} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
