"""Draws x86.svg from x86.tsv: the times of ../../README.md.  Wants nothing but Python.

    python plot.py
"""

import csv
import pathlib
from math import log10

HERE = pathlib.Path(__file__).parent
TITLES = {
    "ad01_int8": "anomaly detection",
    "kws_ref_model": "keyword spotting",
    "pretrainedResnet_quant": "image classification",
    "vww_96_int8": "visual wake words",
}
# Colours that can be told apart by those who see fewer, too (Okabe and Ito).
EXECUTORS = {
    "clapper": ("clapper", "#0072b2"),
    "xnnpack": ("LiteRT 2.3, XNNPACK", "#e69f00"),
    "tflm": ("TensorFlow Lite Micro, reference kernels", "#009e73"),
    "tract": ("tract 0.23 (answers are wrong)", "#cc79a7"),
}
LEFT, TOP, BAR, GAP, WIDTH = 150, 40, 16, 22, 760
# Decades from 1 microsecond on.
FIRST, DECADES = 1e3, 6


def x(nanoseconds):
    return LEFT + (WIDTH - LEFT - 130) * log10(nanoseconds / FIRST) / DECADES


def label(nanoseconds):
    value, unit = (nanoseconds / 1e6, "ms") if nanoseconds >= 1e6 else (nanoseconds / 1e3, "µs")
    return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"


def main():
    with open(HERE / "x86.tsv") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    lines, y = [], TOP
    for row in rows:
        middle = y + 2 * BAR + 4
        lines.append(f'<text x="{LEFT - 8}" y="{middle}" text-anchor="end">{TITLES[row["network"]]}</text>')
        for name, (_, colour) in EXECUTORS.items():
            if row[name] == "-":
                lines.append(f'<text x="{LEFT + 4}" y="{y + 12}" fill="#666">refuses the network</text>')
            else:
                time = int(row[name])
                times = time / int(row["clapper"])
                ratio = f" ({times:.0f} ×)" if times >= 10 else f" ({times:.2g} ×)" if name != "clapper" else ""
                lines.append(f'<rect x="{LEFT}" y="{y}" width="{x(time) - LEFT:.1f}" height="{BAR - 2}" fill="{colour}"/>')
                lines.append(f'<text x="{x(time) + 4:.1f}" y="{y + 12}">{label(time)}{ratio}</text>')
            y += BAR
        y += GAP
    bottom = y - GAP + 6
    for decade in range(DECADES + 1):
        time = FIRST * 10**decade
        lines.insert(0, f'<line x1="{x(time):.1f}" x2="{x(time):.1f}" y1="{TOP - 6}" y2="{bottom}" stroke="#ddd"/>')
        lines.append(f'<text x="{x(time):.1f}" y="{bottom + 16}" text-anchor="middle" fill="#666">{label(time)}</text>')
    y = bottom + 40
    for name, (title, colour) in EXECUTORS.items():
        lines.append(f'<rect x="{LEFT}" y="{y - 11}" width="14" height="14" fill="{colour}"/>')
        lines.append(f'<text x="{LEFT + 20}" y="{y}">{title}</text>')
        y += 20
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" font-family="sans-serif" font-size="12">'
    title = f'<text x="{LEFT}" y="20" font-size="14">One run of MLPerf Tiny\'s networks, one thread of an AMD EPYC</text>'
    background = f'<rect width="{WIDTH}" height="{y}" fill="#fff"/>'
    (HERE / "x86.svg").write_text("\n".join([head, background, title, *lines, "</svg>", ""]))


if __name__ == "__main__":
    main()
