"""What somebody would write in an afternoon: RapidOCR on both sides, faces with the same models, one
process per core, images in memory. Prints verifications per second, to be read beside `make bench`.

    pip install rapidocr==3.10.0 onnxruntime==1.32.0 opencv-python-headless
    specimens --out FOLDER --count 8 --design mar_national_id_2020 --attack none --capture photo
    python plain_python.py FOLDER

Its models are RapidOCR's own (for recognition our large one, untrimmed) and the faces' from the cache of `txid models
fetch`. It decides nothing, keeps nothing and tells nobody: no moiré, no grid analysis, no queue.
"""

import argparse
import logging
import multiprocessing
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
import onnxruntime
from rapidocr import RapidOCR

SIDE_PX = 1280
# The usual template of ArcFace for 112 x 112.
TEMPLATE = np.float32([[38.29, 51.70], [73.53, 51.50], [56.03, 71.74], [41.55, 92.37], [70.73, 92.20]])


class Faces:
    def __init__(self, models):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1

        def session(name):
            return onnxruntime.InferenceSession(str(models / f"{name}.onnx"), options, ["CPUExecutionProvider"])

        self.detection, self.mesh = session("face-detection"), session("face-mesh")
        self.embedding, self.spoof = session("face-embedding"), session("anti-spoof")

    def largest(self, picture):
        """Box of the best face in pixels, or None."""
        height, width = picture.shape[:2]
        scale = 256 / max(height, width)
        small = cv2.resize(picture, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
        frame = np.zeros((256, 256, 3), np.uint8)
        frame[: small.shape[0], : small.shape[1]] = small
        inputs = {"input": (frame[None].astype(np.float32) / 127.5 - 1)}
        found = {o.name: v for o, v in zip(self.detection.get_outputs(), self.detection.run(None, inputs))}
        best = None
        for cells, anchors in ((16, 2), (8, 6)):
            scores, boxes = found[f"scores_{cells}"][0, :, 0], found[f"boxes_{cells}"][0]
            index = int(scores.argmax())
            if best is None or scores[index] > best[0]:
                cell = index // anchors
                x = (cell % cells + 0.5) * 256 / cells + boxes[index, 0]
                y = (cell // cells + 0.5) * 256 / cells + boxes[index, 1]
                best = (scores[index], x / scale, y / scale, max(boxes[index, 2:4]) / scale)
        return best if best[0] > 0 else None

    def embed(self, picture):
        face = self.largest(picture)
        if face is None:
            return None
        _, x, y, side = face
        half = side * 0.75
        corners = np.float32([[x - half, y - half], [x + half, y - half], [x - half, y + half]])
        to_mesh = cv2.getAffineTransform(corners, np.float32([[0, 0], [192, 0], [0, 192]]))
        crop = cv2.warpAffine(picture, to_mesh, (192, 192))
        mesh = self.mesh.run(["mesh"], {"input": crop[None].astype(np.float32) / 255})[0].reshape(-1, 3)[:, :2]
        points = np.float32([mesh[[33, 133]].mean(0), mesh[[362, 263]].mean(0), mesh[4], mesh[61], mesh[291]])
        back = cv2.invertAffineTransform(to_mesh)
        points = points @ back[:, :2].T + back[:, 2]
        aligned, _ = cv2.estimateAffinePartial2D(points, TEMPLATE)
        chip = cv2.warpAffine(picture, aligned, (112, 112))
        pair = np.stack([chip, chip[:, ::-1]]).astype(np.float32)
        total = self.embedding.run(None, {"input": (pair - 127.5) / 128})[0].sum(0)
        return total / np.linalg.norm(total)


def work(models, submissions, ready, jobs, done):
    logging.disable(logging.WARNING)
    cv2.setNumThreads(1)
    reader = RapidOCR(params={
        "Global.max_side_len": SIDE_PX,
        "Det.limit_side_len": SIDE_PX,
        "Det.limit_type": "max",
        "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    })
    faces = Faces(models)
    ready.put(True)
    while (number := jobs.get()) is not None:
        front, back, selfie = (
            cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            for data in submissions[number % len(submissions)]
        )
        lines = sum(len(reader(side).txts or ()) for side in (front, back))
        portrait, person = (faces.embed(cv2.cvtColor(p, cv2.COLOR_BGR2RGB)) for p in (front, selfie))
        crop = cv2.resize(selfie, (256, 256)).astype(np.float32)[None, ..., ::-1] / 255
        faces.spoof.run(None, {"input": np.ascontiguousarray(crop)})
        cosine = None if portrait is None or person is None else float(portrait @ person)
        done.put((lines, cosine))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path, help="what `specimens --out` wrote")
    arguments.add_argument("--models", type=Path, default=Path.home() / ".cache/txid/models")
    arguments.add_argument("--verifications", type=int, default=24)
    arguments.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    given = arguments.parse_args()

    fronts = sorted(given.folder.glob("*.document_front.jpg"))
    submissions = [
        [Path(str(front).replace("document_front", part)).read_bytes() for part in ("document_front", "document_back", "selfie")]
        for front in fronts
    ]
    context = multiprocessing.get_context("spawn")
    ready, jobs, done = context.Queue(), context.Queue(), context.Queue()
    workers = [
        context.Process(target=work, args=(given.models, submissions, ready, jobs, done), daemon=True)
        for _ in range(given.processes)
    ]
    for worker in workers:
        worker.start()
    for _ in workers:
        ready.get()
    # Warm: each process has done one.
    for number in range(given.processes):
        jobs.put(number)
    for _ in range(given.processes):
        done.get()
    started = time.monotonic()
    for number in range(given.verifications):
        jobs.put(number)
    results = [done.get() for _ in range(given.verifications)]
    seconds = time.monotonic() - started
    for _ in workers:
        jobs.put(None)
    compared = [cosine for _, cosine in results if cosine is not None]
    print(f"plain Python, {given.processes} processes: {given.verifications / seconds:.2f} verifications/s, "
          f"{given.processes * seconds / given.verifications:.2f} core-seconds each")
    print(f"{sum(lines for lines, _ in results) / len(results):.0f} lines of text, "
          f"{len(compared)} of {len(results)} faces compared, cosine {min(compared, default=0):.2f} to {max(compared, default=0):.2f}")


if __name__ == "__main__":
    main()
