"""Times networks side by side: `examples/run` and LiteRT with XNNPACK, by turns, one thread; the best of all turns.

    python compare.py RUN NETWORK.tflite…

With `--two RUN NETWORK.tflite [ROWSxCOLUMNS]`, two threads of `examples/run` against one, by turns as well.  The best of many
short runs is what a machine that does other things, too, disturbs least; two threads need two cores free at one moment, so
that it disturbs them more.

On AArch64, under QEMU, count instructions instead (count.sh): `compare.py --invoke COUNT NETWORK.tflite` and
`RUN NETWORK.tflite --repeat COUNT` yield after each run, where the counter notes how far it has come.
"""

import os
import re
import subprocess
import sys
import time

import numpy
from ai_edge_litert.interpreter import Interpreter

TURNS = 10
RUNS = 200


def interpreter(path):
    made = Interpreter(path, num_threads=1)
    made.allocate_tensors()
    for detail in made.get_input_details():
        noise = numpy.random.default_rng(1).integers(-128, 128, detail["shape"])
        made.set_tensor(detail["index"], noise.astype(detail["dtype"]))
    return made


def fastest(program, path, *options):
    """The shortest of RUNS runs of `examples/run`, nanoseconds, and what it says."""
    command = [program, path, "--repeat", str(RUNS), *options]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return int(re.search(r"(\d+) ns", text)[1]), text


def two_against_one(program, path, *size):
    best = {}
    for _ in range(TURNS):
        for threads in ("1", "2"):
            options = ["--threads", threads] + [word for value in size for word in ("--size", value)]
            took, _ = fastest(program, path, *options)
            best[threads] = min(took, best.get(threads, took))
    one, two = best["1"], best["2"]
    print(f"{path}: two threads {two / one:.2f} of one thread's time ({two / 1e6:.2f} of {one / 1e6:.2f} ms)")


def main():
    if sys.argv[1] == "--two":
        return two_against_one(*sys.argv[2:])
    if sys.argv[1] == "--invoke":
        made = interpreter(sys.argv[3])
        for _ in range(int(sys.argv[2])):
            os.sched_yield()
            made.invoke()
        os.sched_yield()
        return
    program, *networks = sys.argv[1:]
    for path in networks:
        made = interpreter(path)
        ours = theirs = float("inf")
        for _ in range(TURNS):
            took, text = fastest(program, path)
            ours = min(ours, took)
            for _ in range(RUNS):
                start = time.perf_counter_ns()
                made.invoke()
                theirs = min(theirs, time.perf_counter_ns() - start)
        print(f"{path}: {ours / theirs:.2f} of XNNPACK's time ({ours / 1e6:.2f} of {theirs / 1e6:.2f} ms, {text.split(':')[0]})")


if __name__ == "__main__":
    main()
