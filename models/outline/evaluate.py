"""Holds the network against photographs of the generator: `python evaluate.py net.pt FOLDER [OVERLAYS_FOLDER]`.

FOLDER has `*.document_front.jpg`, `*.document_back.jpg` and the truth beside them, as `specimens --capture random`
writes them. Nothing is trained on them.
"""

import glob
import json
import os
import sys

import cv2
import numpy as np
import torch

from net import Net
from render import CELL, LONGER, STEP, marks


def seen(picture):
    """As `network.rs` has it: a longer side of 256, both sides multiples of 32."""
    height, width = picture.shape[:2]
    size = [max(1, int(side * LONGER / max(width, height) / STEP + 0.5)) * STEP for side in (width, height)]
    return cv2.resize(picture, tuple(size), interpolation=cv2.INTER_AREA)


def photographs(folder):
    """Name, picture as the network sees it, truth at that size, troubles."""
    for path in sorted(glob.glob(os.path.join(folder, "*.json"))):
        with open(path) as file:
            truth = json.load(file)
        for image in truth["images"]:
            if "document" not in image:
                continue
            name = path[:-5] + f".{image['image']}.jpg"
            x = seen(cv2.imread(name)[..., ::-1])
            size = np.array([x.shape[1] / image["width_px"], x.shape[0] / image["height_px"]])
            yield os.path.basename(name), x, np.array(image["document"]) * size, image.get("troubles", [])


@torch.no_grad()
def main(weights, folder, overlays=None):
    net = Net().eval()
    net.load_state_dict(torch.load(weights, map_location="cpu"))
    overlaps, edges, tops = [], [], []
    for name, x, quad, troubles in photographs(folder):
        maps = net(torch.from_numpy(np.ascontiguousarray(x)).permute(2, 0, 1)[None].float() / 127.5 - 1).sigmoid()[0].numpy()
        wanted = marks((x.shape[1], x.shape[0]), [quad]) / 255
        got, inside = maps[0] > 0.5, wanted[0] > 0.5
        others = "two_documents" in troubles
        if others:  # the truth has the first alone: only what touches it counts
            _, labels = cv2.connectedComponents(got.astype(np.uint8))
            counts = np.bincount(labels[inside], minlength=2)
            counts[0] = 0
            got = labels == counts.argmax() if counts.max() else got & False
        overlap = (got & inside).sum() / max((got | inside).sum(), 1)
        edge, true = maps[1] > 0.4, wanted[1] > 0.4
        recall, precision = (edge & true).sum() / max(true.sum(), 1), (edge & true).sum() / max(edge.sum(), 1)
        overlaps.append(overlap)
        edges.append((recall, precision if not others else np.nan))
        # The strongest answer within 1.5 squares of each corner that lies in the picture.
        for cx, cy in quad / CELL:
            if 1 <= cx < maps.shape[2] - 1 and 1 <= cy < maps.shape[1] - 1:
                yy, xx = np.mgrid[0 : maps.shape[1], 0 : maps.shape[2]] + 0.5
                tops.append(maps[2][np.hypot(xx - cx, yy - cy) < 1.5].max())
        print(f"{overlap:.3f} border {recall:.2f}/{precision:.2f} {name} {' '.join(troubles)}")
        if overlays:
            os.makedirs(overlays, exist_ok=True)
            big = cv2.resize(np.ascontiguousarray(maps.transpose(1, 2, 0)), (x.shape[1], x.shape[0]), interpolation=cv2.INTER_NEAREST)
            drawn = x * 0.45 + big[..., [2, 1, 0]] * [255, 200, 120]
            both = np.concatenate([x, np.clip(drawn, 0, 255)], 1).astype(np.uint8)[..., ::-1].copy()
            cv2.polylines(both, [np.int32(quad * 16)], True, (255, 255, 255), 1, cv2.LINE_AA, 4)
            cv2.putText(both, f"{overlap:.2f}", (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 255), 1)
            cv2.imwrite(os.path.join(overlays, name[:-4] + ".png"), both)
    recall, precision = np.nanmean(edges, 0)
    print(
        f"{len(overlaps)} photographs: IoU {np.mean(overlaps):.4f}, median {np.median(overlaps):.4f}, over 0.85: "
        f"{np.mean(np.array(overlaps) > 0.85):.3f}, over 0.9: {np.mean(np.array(overlaps) > 0.9):.3f}; border recall {recall:.3f}, "
        f"precision {precision:.3f}; corners over 0.3: {np.mean(np.array(tops) > 0.3):.3f}"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
