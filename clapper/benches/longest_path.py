"""Instructions on the longest way through a run of several threads, counted under QEMU (see count.sh for what it wants).

    python longest_path.py CPU THREADS RUN NETWORK.tflite [ROWSxCOLUMNS]

`RUN NETWORK --in-turn` does each piece of each operation as a pool would, on one thread, and yields between them.  Here
the pieces are dealt out as the pool deals them, and of each operation the thread that has most counts.  What the threads
say to each other is not counted: some hundred instructions for each operation that is cut.
"""

import os
import pathlib
import subprocess
import sys
import tempfile


def main():
    cpu, threads, run, network, *size = sys.argv[1:]
    threads = int(threads)
    source = pathlib.Path(__file__).with_name("count_instructions.c")
    with tempfile.TemporaryDirectory() as work:
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", f"{work}/count.so", source], check=True)
        command = [os.environ.get("QEMU", "qemu-aarch64"), "-cpu", cpu, "-plugin", f"{work}/count.so,out={work}/count"]
        command += [run, network, "--in-turn", "2", "--threads", str(threads)]
        for value in size:
            command += ["--size", value]
        names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        counts = [int(line) for line in pathlib.Path(f"{work}/count").read_text().split()]
    # The second of two runs, each of which yields before its first piece and after each.
    marks = counts[len(names) + 1 : 2 * len(names) + 2]
    loads = {}
    for line, before, after in zip(names, marks, marks[1:]):
        number, _, piece = line.split()[:3]
        piece = int(piece)
        thread = piece if piece < threads else 2 * threads - 1 - piece
        shares = loads.setdefault(number, [0] * threads)
        shares[thread] += after - before
    longest = sum(max(shares) for shares in loads.values())
    print(f"{cpu}, {threads} threads: {longest:,} of {marks[-1] - marks[0]:,} instructions")


if __name__ == "__main__":
    main()
