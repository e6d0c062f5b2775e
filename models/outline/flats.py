"""Makes flats of what the generator's example `sides` drew: `python flats.py SIDES_FOLDER... --out FOLDER`.

Each folder holds one holder's documents, `DESIGN.SIDE.jpg`. Every fifth design is held out.
"""

import argparse
import glob
import os
import tomllib

import cv2

from render import FLAT_PX

DESIGNS = os.path.join(os.path.dirname(__file__), "../../tests/specimens/designs")


def main():
    ask = argparse.ArgumentParser()
    ask.add_argument("folders", nargs="+")
    ask.add_argument("--out", required=True)
    args = ask.parse_args()
    os.makedirs(args.out, exist_ok=True)
    designs = sorted(os.path.basename(p)[:-5] for p in glob.glob(os.path.join(DESIGNS, "*.toml")))
    lines = []
    for number, folder in enumerate(args.folders):
        for path in sorted(glob.glob(os.path.join(folder, "*.jpg"))):
            design, side, _ = os.path.basename(path).split(".")
            with open(os.path.join(DESIGNS, design + ".toml"), "rb") as file:
                data = tomllib.load(file)
            width_mm, height_mm = data.get("size_mm", [85.6, 53.98])
            picture = cv2.imread(path)
            size = (FLAT_PX, round(FLAT_PX * height_mm / width_mm))
            name = f"{design}.{side}.{number}.png"
            cv2.imwrite(os.path.join(args.out, name), cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
            radius = data.get("corner_radius_mm", 3.18) / width_mm
            lines.append(f"{name} {radius:.5f} {int(width_mm > 110)} {int(designs.index(design) % 5 == 4)}")
    with open(os.path.join(args.out, "flats.txt"), "w") as file:
        file.write("\n".join(lines) + "\n")
    print(f"{len(lines)} flats, {sum(line.endswith('1') for line in lines)} held out")


if __name__ == "__main__":
    main()
