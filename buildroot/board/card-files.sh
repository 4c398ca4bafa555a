#!/bin/sh
# card-files.sh OUT BOARD [FIRMWARE LINUX]: writes to the folder OUT what the FAT partition holds for people: README.txt,
# codes.html, os-release.txt (in the format of os-release(5)) and LICENCES.txt.
#
# FIRMWARE and LINUX are the files with the licences of the two, where they are on the card.
set -eu

usage='usage: card-files.sh OUT BOARD [FIRMWARE LINUX]'
out=${1:?$usage}
board=${2:?$usage}
firmware=${3:-}
linux=${4:-}
here=$(cd "$(dirname "$0")" && pwd)
repository=$here/../..

mkdir -p "$out"
cp "$here/README.txt" "$repository/docs/codes.html" "$out"

version=$("$here/../version")
cat >"$out/os-release.txt" <<END
NAME="maskbell"
ID=maskbell
PRETTY_NAME="maskbell $version for $board"
VERSION="$version"
VERSION_ID=${version%%+*}
VARIANT_ID=$board
END

# A heading, then the text of a file.
licence() {
    printf '%s\n%s\n\n' "$1" "$(echo "$1" | sed 's/./-/g')"
    cat "$2"
    printf '\n\n'
}

{
    licence "maskbell, as you like: the MIT licence" "$repository/LICENSE-MIT"
    licence "or the Apache licence, version 2.0" "$repository/LICENSE-APACHE"
    licence "maskbell's models" "$repository/models/NOTICE"
    [ -z "$firmware" ] || licence "Firmware of the Raspberry Pi, from https://github.com/raspberrypi/firmware" "$firmware"
    [ -z "$linux" ] || licence "Linux, from https://github.com/raspberrypi/linux: GPL-2.0, with an exception for programs" "$linux"
} >"$out/LICENCES.txt"
