#!/usr/bin/env bash
# Executed instructions of an AArch64 program on a CPU of QEMU: count.sh cortex-a53|cortex-a72|cortex-a76 PROGRAM…
#
# Wants gcc and a qemu-aarch64 with plugins, such as Debian's qemu-user 7.2; QEMU names it if it is not in the PATH.  A
# program with shared libraries needs them in $QEMU_LD_PREFIX.  QEMU 7.2 shows the host's /proc/cpuinfo, which LiteRT does
# not survive: put one of the CPU at $QEMU_LD_PREFIX/proc/cpuinfo (with "CPU implementer : 0x41" and "CPU part : 0xd03",
# 0xd08 or 0xd0b, and for the A76 asimddp among the Features).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
gcc -shared -fPIC -O2 -o "$work/count.so" "$here/count_instructions.c"
cpu=$1
shift
"${QEMU:-qemu-aarch64}" -cpu "$cpu" -plugin "$work/count.so,out=$work/count" "$@" >&2
tail -1 "$work/count"
