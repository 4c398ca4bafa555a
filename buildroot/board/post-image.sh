#!/bin/sh
# post-image.sh IMAGES -c BOARD/genimage.cfg: Buildroot's last step before genimage: what the card holds for people, and
# the overlay that is its own.
set -eu

board=$(basename "$(dirname "$3")")
firmware=$(echo "$BUILD_DIR"/rpi-firmware-*/boot/LICENCE.broadcom)
[ -f "$firmware" ] || firmware=$(echo "$BUILD_DIR"/rpi-firmware-*/LICENCE.broadcom)
linux=$BUILD_DIR/linux-custom/LICENSES/preferred/GPL-2.0
for file in "$firmware" "$linux"; do
    [ -f "$file" ] || { echo "post-image.sh: the licence $file is not there" >&2; exit 1; }
done
"$(dirname "$0")/card-files.sh" "$1/card" "$board" "$firmware" "$linux"

# As the kernel compiles its own overlays, with the compiler that it brings.
"$BUILD_DIR/linux-custom/scripts/dtc/dtc" -@ -I dts -O dtb -o "$1/rpi-firmware/overlays/panic-light.dtbo" \
    "$(dirname "$0")/panic-light.dtso"
