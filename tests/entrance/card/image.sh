#!/usr/bin/env bash
# image.sh KERNEL_DIR PROGRAM BOARD OUT [EXTRA_DIR]: assembles a card image as Buildroot does, with the card's own
# scripts and configuration and Debian's mksquashfs and genimage.
#
# KERNEL_DIR is what kernel.sh filled; BOARD a folder of buildroot/board.  What is in EXTRA_DIR is added to the root.
# Leaves rootfs.squashfs and sdcard.img in OUT.  Only the firmware is missing: its files are empty, since emulated
# machines have none.
set -euo pipefail

kernel=$(realpath "${1:?usage: image.sh KERNEL_DIR PROGRAM BOARD OUT [EXTRA_DIR]}")
program=$(realpath "$2")
board=$3
out=$(realpath -m "$4")
extra=${5:-}
here=$(cd "$(dirname "$0")" && pwd)
BR2_EXTERNAL_MASKBELL_PATH=$(realpath "$here/../../../buildroot")
export BR2_EXTERNAL_MASKBELL_PATH
# Buildroot's BR2_REPRODUCIBLE sets it, too.
export SOURCE_DATE_EPOCH=1577836800
readonly configuration=$BR2_EXTERNAL_MASKBELL_PATH/board/$board

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out" "$work/root/usr/bin" "$work/images/rpi-firmware/overlays" "$work/empty"

"$BR2_EXTERNAL_MASKBELL_PATH/package/maskbell/check-binary.sh" "$program"
cp "$program" "$work/root/usr/bin/maskbell"
"$BR2_EXTERNAL_MASKBELL_PATH/board/post-fakeroot.sh" "$work/root"
[ -z "$extra" ] || cp -a "$extra/." "$work/root"
# As Buildroot's fs/squashfs with BR2_TARGET_ROOTFS_SQUASHFS4_LZ4; -all-root does what its fakeroot does.
mksquashfs "$work/root" "$work/images/rootfs.squashfs" -noappend -all-root -b 128K -comp lz4 -Xhc -quiet -no-progress

cp "$kernel/Image" "$work/images"
cp "$configuration/config.txt" "$work/images/rpi-firmware"
command_line=$configuration/cmdline.txt
[ -f "$command_line" ] || command_line=$configuration/../cmdline.txt
cp "$command_line" "$work/images/rpi-firmware"
"$configuration/../card-files.sh" "$work/images/card" "$board"
while read -r file; do
    [ -e "$work/images/$file" ] || : >"$work/images/$file"
done < <(sed -n 's/.*"\([^"$]*\)".*/\1/p' "$configuration/genimage.cfg" | grep -e / -e '\.dtb$')
genimage --rootpath "$work/empty" --tmppath "$work/tmp" --inputpath "$work/images" --outputpath "$out" \
    --config "$configuration/genimage.cfg" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
rm "$out/boot.vfat"
cp "$work/images/rootfs.squashfs" "$out"
