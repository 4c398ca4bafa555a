"""Times networks side by side: `examples/run` and LiteRT with XNNPACK, by turns, one thread; the best of all turns.

    python compare.py RUN NETWORK.tflite…

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


def main():
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
            text = subprocess.run([program, path, "--repeat", str(RUNS)], capture_output=True, text=True, check=True)
            ours = min(ours, int(re.search(r"(\d+) ns", text.stdout)[1]))
            for _ in range(RUNS):
                start = time.perf_counter_ns()
                made.invoke()
                theirs = min(theirs, time.perf_counter_ns() - start)
        print(f"{path}: {ours / theirs:.2f} of XNNPACK's time ({text.stdout.split(':')[0]})")


if __name__ == "__main__":
    main()
