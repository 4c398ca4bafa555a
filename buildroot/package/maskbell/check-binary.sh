#!/bin/sh
# check-binary.sh FILE: fails unless FILE is a program for 64-bit Arm that needs no loader and no libraries.
set -eu

file=${1:?usage: check-binary.sh FILE}
fail() {
    echo "$file $1; build it as the README says" >&2
    exit 1
}

[ -f "$file" ] || fail "is not there"
LC_ALL=C readelf -h "$file" 2>/dev/null | grep -q 'Machine: *AArch64' || fail "is no program for 64-bit Arm"
! LC_ALL=C readelf -lW "$file" | grep -q '^ *INTERP ' || fail "is not static: the card has no loader"
