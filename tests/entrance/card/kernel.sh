#!/usr/bin/env bash
# kernel.sh DIR: a kernel for the emulated machines, built from Debian's linux-source with the card's own fragment
# (buildroot/board/linux.fragment), and proof that this fragment says what it means.  On Debian (bookworm or newer), as
# root, with a cross compiler for aarch64.
#
# Leaves in DIR: Image, bcm2837-rpi-3-b.dtb, and complete, the sum of what they were made from.
#
# The Pi's own kernel is a fork of this one; what only the fork knows is in buildroot/board/linux-raspberrypi.fragment,
# and is not checked here.
set -euo pipefail

directory=$(realpath -m "${1:?usage: kernel.sh DIR}")
here=$(cd "$(dirname "$0")" && pwd)
readonly fragment=$here/../../../buildroot/board/linux.fragment
readonly device_tree=broadcom/bcm2837-rpi-3-b.dtb
readonly package=linux-source-6.12
readonly build=$directory/work/build
export ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- DEBIAN_FRONTEND=noninteractive

install_tools() {
    local wanted=(bc bison flex gcc make xz-utils "$package")
    command -v aarch64-linux-gnu-gcc >/dev/null || wanted+=(gcc-aarch64-linux-gnu)
    apt-get -qq update
    apt-get -qq install -y --no-install-recommends "${wanted[@]}" >/dev/null
}

# Fails unless the configuration in $build has every line of the fragment.
check_fragment() {
    local line symbol dropped=0
    while read -r line; do
        case $line in
            CONFIG_*) grep -Fxq "$line" "$build/.config" || { echo "dropped: $line" >&2; dropped=1; } ;;
            '# CONFIG_'*' is not set')
                symbol=${line#\# CONFIG_} symbol=${symbol% is not set}
                ! grep -q "^CONFIG_$symbol=" "$build/.config" || { echo "still set: $symbol" >&2; dropped=1; }
                # A name that nobody knows is not set, either.
                grep -Fxq "$symbol" <<<"$symbols" || { echo "unknown: $symbol" >&2; dropped=1; }
                ;;
        esac
    done <"$fragment"
    [ "$dropped" -eq 0 ] || { echo "kernel.sh: the kernel's configuration does not follow $fragment" >&2; exit 1; }
}

# As on a card: a defconfig (mainline's stands for the Pi's) without its modules, as buildroot/external.mk makes it,
# with the fragment merged.
configure_as_card() {
    make -s O="$build" defconfig >/dev/null
    sed -i '/=m$/d' "$build/.config"
    scripts/kconfig/merge_config.sh -O "$build" -m "$build/.config" "$fragment" >/dev/null
    make -s O="$build" olddefconfig
    check_fragment
}

# The kernel that is built: nothing but the fragment and what the emulated machines need.
configure_for_qemu() {
    scripts/kconfig/merge_config.sh -O "$build" -n "$here/qemu.config" "$fragment" >/dev/null 2>&1
    check_fragment
}

sum=$(cat "$0" "$here/qemu.config" "$fragment" | sha256sum)
if [ "$(cat "$directory/complete" 2>/dev/null)" = "$sum" ]; then
    echo "card's kernel: $directory is complete"
    exit
fi
rm -rf "$directory"
mkdir -p "$build"
install_tools
tar -C "$directory/work" -xf "/usr/src/$package.tar.xz"
cd "$directory/work/$package"
symbols=$(find . -name 'Kconfig*' -exec sed -n 's/^\(menu\)\?config \([A-Z0-9_]*\)$/\2/p' {} +)
configure_as_card
configure_for_qemu
make -s O="$build" -j"$(nproc)" Image "$device_tree"
cp "$build/arch/arm64/boot/Image" "$build/arch/arm64/boot/dts/$device_tree" "$directory"
rm -rf "$directory/work"
echo "$sum" >"$directory/complete"
echo "card's kernel: $directory/Image, $(du -h "$directory/Image" | cut -f1)"
