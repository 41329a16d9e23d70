"""train/curve.py: the curve of a run as a picture (SVG), without a plotting library.

    python3 -m train.curve RUN/history.jsonl > curve.svg

SPDX-License-Identifier: PostgreSQL
"""

import json
import math
import sys

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 50, 170, 30, 45  # margins
COLOURS = {
    "vocals": "#c0392b",
    "drums": "#2471a3",
    "bass": "#7d3c98",
    "other": "#b9770e",
    "accompaniment": "#1e8449",
}


def nice_step(span, count):
    """1, 2 or 5 times a power of ten, for about so many ticks."""
    rough = span / count
    power = 10 ** math.floor(math.log10(rough))
    return next(f * power for f in (1, 2, 5, 10) if f * power >= rough)


def ticks(low, high, count=6):
    step = nice_step(max(high - low, 1e-9), count)
    first = math.ceil(low / step)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


class Axes:
    """From hours and dB to pixels."""

    def __init__(self, hours, low, high):
        self.hours, self.low, self.high = max(hours, 1e-6), low, high

    def x(self, hours):
        return LEFT + (WIDTH - LEFT - RIGHT) * hours / self.hours

    def y(self, db):
        share = (db - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


def line(x1, y1, x2, y2, style):
    return '<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" %s/>' % (x1, y1, x2, y2, style)


def text(x, y, content, anchor="start", fill="#333"):
    place = '<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s">' % (x, y, anchor, fill)
    return place + content + "</text>"


def grid(axes):
    right, foot, out = WIDTH - RIGHT, HEIGHT - BOTTOM, []
    for db in ticks(axes.low, axes.high):
        y = axes.y(db)
        out += [line(LEFT, y, right, y, 'stroke="#ddd"'), text(LEFT - 6, y + 4, "%g" % db, "end")]
    for hours in ticks(0, axes.hours):
        out.append(text(axes.x(hours), foot + 16, "%g" % round(hours, 6), "middle"))
    out.append(text((LEFT + right) / 2, HEIGHT - 8, "hours of training", "middle"))
    out.append(text(LEFT, 18, "SDR on held-out songs, dB; dashed: the shares of classical"))
    return out


def stem_lines(axes, history, name, colour):
    points = [(axes.x(row["hours"]), axes.y(row["sdr"][name])) for row in history]
    path = " ".join("%.1f,%.1f" % p for p in points)
    out = ['<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>' % (path, colour)]
    y = axes.y(history[-1]["classical"][name])
    dashes = 'stroke="%s" stroke-dasharray="5 4"' % colour
    return out + [line(LEFT, y, WIDTH - RIGHT, y, dashes)]


def labels(axes, last):
    """Names on the right, pushed apart where they would lie on each other."""
    out, lowest = [], 0
    for name, db in sorted(last["sdr"].items(), key=lambda item: -item[1]):
        lowest = max(lowest + 15, axes.y(db) + 4)
        label = "%s %.2f" % (name, db)
        out.append(text(WIDTH - RIGHT + 8, lowest, label, fill=COLOURS[name]))
    return out


def svg(history):
    values = [v for row in history for v in (*row["sdr"].values(), *row["classical"].values())]
    axes = Axes(history[-1]["hours"], math.floor(min(values)), math.ceil(max(values)))
    start = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" ' % (WIDTH, HEIGHT)
    out = [start + 'font-family="sans-serif" font-size="12">']
    out += ['<rect width="100%" height="100%" fill="white"/>', *grid(axes)]
    for name, colour in COLOURS.items():
        out += stem_lines(axes, history, name, colour)
    return "\n".join([*out, *labels(axes, history[-1]), "</svg>"]) + "\n"


def main():
    with open(sys.argv[1]) as f:
        print(svg([json.loads(row) for row in f]), end="")


if __name__ == "__main__":
    main()
