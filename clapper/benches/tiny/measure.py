"""Times MLPerf Tiny's four networks in several executors, by turns on one thread, and writes the shortest of all turns.

    python measure.py NETWORKS RUN NAME=PROGRAM… >x86.tsv

NETWORKS is a folder that ../../bare/networks has filled, RUN is `examples/run`.  LiteRT, with XNNPACK, is that of
truth/requirements.txt.  Any other PROGRAM is called as `PROGRAM NETWORK --repeat COUNT`, and prints nanoseconds as `examples/run`
does; if it fails, there is no figure.
"""

import pathlib
import re
import subprocess
import sys
import time

import numpy
from ai_edge_litert.interpreter import Interpreter

TURNS = 8
# Runs of a turn: those of the slow must be fewer.
SECONDS = 0.3


def fastest(program, network, count):
    done = subprocess.run([program, str(network), "--repeat", str(count)], capture_output=True, text=True)
    return int(re.search(r"(\d+) ns", done.stdout)[1]) if done.returncode == 0 else None


def main():
    folder, run, *others = sys.argv[1:]
    programs = {"clapper": run} | dict(other.split("=") for other in others)
    print("network", "xnnpack", *programs, sep="\t")
    for network in sorted(pathlib.Path(folder).glob("*.tflite")):
        interpreter = Interpreter(str(network), num_threads=1)
        interpreter.allocate_tensors()
        detail = interpreter.get_input_details()[0]
        noise = numpy.random.default_rng(1).integers(-128, 128, detail["shape"])
        interpreter.set_tensor(detail["index"], noise.astype(numpy.int8))
        best = {name: fastest(program, network, 1) for name, program in programs.items()}
        best["xnnpack"] = 10**9
        for _ in range(TURNS):
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                start = time.perf_counter_ns()
                interpreter.invoke()
                best["xnnpack"] = min(best["xnnpack"], time.perf_counter_ns() - start)
            for name, program in programs.items():
                if best[name]:
                    count = max(2, int(SECONDS * 1e9 / best[name]))
                    best[name] = min(best[name], fastest(program, network, count))
        print(network.stem, best.pop("xnnpack"), *(best[name] or "-" for name in programs), sep="\t", flush=True)


if __name__ == "__main__":
    main()
