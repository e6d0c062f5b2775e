#!/usr/bin/env python3
"""Draws the dashboards of deploy/grafana from what a Prometheus has seen: for OPERATIONS.md, where no Grafana is at hand.

    make pictures

runs a fleet under load and calls this. Every line is the panel's own expression, asked of Prometheus over the time of
the run, with the panel's own legend and unit. Needs matplotlib; nothing else of the project does.
"""

import argparse
import datetime
import json
import os
import re
import time
import urllib.parse
import urllib.request

import matplotlib

matplotlib.use("Agg")
import matplotlib.dates  # noqa: E402
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import FuncFormatter  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
DASHBOARDS = os.path.join(os.path.dirname(os.path.dirname(HERE)), "deploy", "grafana")
UNITS = {"s": " s", "ops": "/s", "reqps": "/s", "bytes": "B", "percentunit": "", "short": ""}
WIDTH, ROW = 12.5, 0.32


class Prometheus:
    def __init__(self, url):
        self.url = url
        # Loopback: a proxy of the environment must not stand between.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, path, **parameters):
        with self.opener.open(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}") as answer:
            answered = json.load(answer)
        if answered["status"] != "success":
            raise SystemExit(f"error: {parameters}: {answered}")
        return answered["data"]["result"]


def label(template, metric):
    return re.sub(r"\{\{(\w+)\}\}", lambda found: metric.get(found.group(1), ""), template)


def value(unit):
    def shown(number, _position):
        if unit == "percentunit":
            return f"{number * 100:.0f} %"
        for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
            if number >= factor and unit != "s":
                return f"{number / factor:g}{' ' if unit == 'bytes' else ''}{prefix}{UNITS[unit]}"
        return f"{number:g}{UNITS[unit]}"

    return FuncFormatter(shown)


def draw_lines(axes, panel, prometheus, span, step):
    unit = panel["fieldConfig"]["defaults"]["unit"]
    stacked = panel["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"] == "normal"
    lines = []
    for target in panel["targets"]:
        expression = target["expr"].replace("$__rate_interval", "15s")
        for series in prometheus.ask("query_range", query=expression, start=span[0], end=span[1], step=step):
            points = {float(at): float(number) for at, number in series["values"]}
            lines.append((label(target["legendFormat"], series["metric"]), points))
    times = [span[0] + number * step for number in range(int((span[1] - span[0]) / step) + 1)]
    dates = [datetime.datetime.fromtimestamp(at, datetime.timezone.utc) for at in times]
    near = [{round((at - span[0]) / step): number for at, number in points.items()} for _, points in lines]
    columns = [[points.get(number, float("nan")) for number in range(len(times))] for points in near]
    names = [name for name, _ in lines]
    if stacked and columns:
        whole = [[0.0 if number != number else number for number in column] for column in columns]
        axes.stackplot(dates, whole, labels=names, alpha=0.8, linewidth=0)
    else:
        for name, column in zip(names, columns):
            axes.plot(dates, column, label=name, linewidth=1.2)
    axes.set_xlim(dates[0], dates[-1])
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(value(unit))
    axes.xaxis.set_major_formatter(matplotlib.dates.DateFormatter("%H:%M:%S"))
    axes.xaxis.set_major_locator(matplotlib.dates.AutoDateLocator(maxticks=5))
    axes.grid(alpha=0.25, linewidth=0.5)
    if names:
        axes.legend(loc="upper left", fontsize=6, framealpha=0.7, ncols=2 if len(names) > 4 else 1)


def draw_table(axes, panel, prometheus, at):
    axes.axis("off")
    rows = [
        (series["metric"], series["value"][1])
        for target in panel["targets"]
        for series in prometheus.ask("query", query=target["expr"], time=at)
    ]
    heads = sorted({name for metric, _ in rows for name in metric})
    # A digest is 64 letters; the beginning tells them apart here.
    cells = [[metric.get(name, "")[:24] for name in heads] + [number] for metric, number in rows]
    if cells:
        table = axes.table(cells, colLabels=heads + ["Value"], loc="upper center", cellLoc="left")
        table.auto_set_font_size(False)
        table.set_fontsize(7)


def draw(dashboard, prometheus, span, step):
    panels = dashboard["panels"]
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    figure = plt.figure(figsize=(WIDTH, height * ROW + 0.5), dpi=80)
    figure.suptitle(dashboard["title"], x=0.02, ha="left", fontsize=11, fontweight="bold")
    top = 1 - 0.45 / (height * ROW + 0.5)
    for panel in panels:
        grid = panel["gridPos"]
        left, width = grid["x"] / 24, grid["w"] / 24
        bottom, tall = top * (1 - (grid["y"] + grid["h"]) / height), top * grid["h"] / height
        axes = figure.add_axes((left + 0.05, bottom + tall * 0.13, width - 0.07, tall * 0.72))
        axes.set_title(panel["title"], loc="left", fontsize=8)
        axes.tick_params(labelsize=7)
        if panel["type"] == "table":
            draw_table(axes, panel, prometheus, span[1])
        else:
            draw_lines(axes, panel, prometheus, span, step)
    return figure


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prometheus", required=True, help="its address")
    parser.add_argument("--seconds", type=int, required=True, help="how far back")
    parser.add_argument("--out", required=True, help="folder for a PNG of each dashboard")
    arguments = parser.parse_args()
    prometheus, now = Prometheus(arguments.prometheus), time.time()
    span = (now - arguments.seconds, now)
    for name in sorted(os.listdir(DASHBOARDS)):
        if name.endswith(".json"):
            with open(os.path.join(DASHBOARDS, name), encoding="utf-8") as file:
                figure = draw(json.load(file), prometheus, span, max(1, arguments.seconds // 240))
            figure.savefig(os.path.join(arguments.out, name[:-5] + ".png"), metadata={"Software": None})
            plt.close(figure)


if __name__ == "__main__":
    main()
