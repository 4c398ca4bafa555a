#!/usr/bin/env bash
# setup.sh DIR: what the emulated entrance boots, on Debian (bookworm or newer), as root.
#
# Installs QEMU and the device tree compiler, and leaves in DIR, all of it for arm64 and from Debian's archive:
#   vmlinuz            the kernel
#   modules/NN-X.ko    the drivers of USB cameras, the Pi's PWM, disks, FAT and the watchdog with what they depend on,
#                      in the order to load them
#   busybox            a static shell for the guest's /init
# Changes nothing in /etc/apt.  Does nothing when DIR is complete.
set -euo pipefail

readonly modules=(pwm-bcm2835 xhci-pci uvcvideo virtio_pci virtio_blk vfat nls_cp437 nls_ascii i6300esb)
# usb-redir, `virt` and this kernel work together from here on.
readonly least_qemu=8

directory=$(realpath -m "${1:?usage: setup.sh DIR}")
work=$directory/work
# shellcheck disable=SC1091
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:?}")
readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg
export DEBIAN_FRONTEND=noninteractive

qemu_version() {
    local version
    version=$(qemu-system-aarch64 --version 2>/dev/null | sed -n '1s/.*version \([0-9]*\).*/\1/p')
    echo "${version:-0}"
}

# The archives of this release that this machine's own apt uses: one "URI SUITE" a line.
archives() {
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk -v name="$codename" '$3 == "main" && ($2 == name || $2 == name "-updates" || $2 == name "-security") {
            print $1, $2
        }' | sort -u
}

# Expects apt's lists to be fresh, as `archives` does.
install_tools() {
    local tools=() pair program package
    for pair in fdtoverlay:device-tree-compiler modprobe:kmod xz:xz-utils mkfs.vfat:dosfstools mcopy:mtools; do
        program=${pair%%:*} package=${pair#*:}
        command -v "$program" >/dev/null || tools+=("$package")
    done
    if [ "${#tools[@]}" -gt 0 ]; then
        apt-get -qq install -y --no-install-recommends "${tools[@]}" >/dev/null
    fi
    if [ "$(qemu_version)" -lt "$least_qemu" ]; then
        install_qemu
    fi
}

# Bookworm's own QEMU is too old; its backports are asked through lists of their own.
install_qemu() {
    if [ "$codename" != bookworm ]; then
        apt-get -qq install -y --no-install-recommends qemu-system-arm >/dev/null
        return
    fi
    local sources=$work/backports
    mkdir -p "$sources/parts" "$sources/lists/partial"
    archives | while read -r uri suite; do
        echo "deb [signed-by=$keyring] $uri $suite main"
        [ "$suite" != bookworm ] || echo "deb [signed-by=$keyring] $uri bookworm-backports main"
    done >"$sources/parts/entrance.list"
    local apt=(apt-get -qq -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$sources/parts"
        -o "Dir::State::lists=$sources/lists")
    "${apt[@]}" update
    "${apt[@]}" install -y --no-install-recommends -t bookworm-backports qemu-system-arm >/dev/null
}

# Downloads and unpacks arm64 packages through an apt state of its own; nothing of them is installed.
unpack_guest() {
    local state=$work/arm64 package image=
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$work/packages"
    : >"$state/status"
    archives | sed "s|.*|deb [arch=arm64 signed-by=$keyring] & main|" >"$state/sources.list"
    cat >"$state/apt.conf" <<END
APT::Architecture "arm64"; APT::Architectures { "arm64"; }; APT::Sandbox::User "root"; Acquire::Languages "none";
Dir::State "$state"; Dir::State::lists "$state/lists"; Dir::State::status "$state/status"; Dir::Cache "$state/cache";
Dir::Etc::sourcelist "$state/sources.list"; Dir::Etc::sourceparts "/dev/null"; Dir::Etc::parts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
END
    local -x APT_CONFIG=$state/apt.conf
    apt-get -qq update
    # Raspberry Pi OS runs 6.12; bookworm offers it beside its own 6.1.
    for package in linux-image-6.12-arm64 linux-image-arm64; do
        image=$(apt-cache depends "$package" 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p' | head -1)
        [ -z "$image" ] || break
    done
    [ -n "$image" ] || { echo "setup.sh: $codename has no linux-image for arm64" >&2; exit 1; }
    (cd "$work/packages" && apt-get -qq download "$image" busybox-static)
    for package in "$work"/packages/*.deb; do
        dpkg-deb -x "$package" "$work/root"
    done
    kernel=${image#linux-image-}
}

# Copies the modules, decompressed and in load order, out of the unpacked kernel package.
collect_modules() {
    local number=0 module name file
    depmod -b "$work/root" "$kernel"
    mkdir -p "$directory/modules"
    for module in "${modules[@]}"; do
        modprobe -d "$work/root" -S "$kernel" --show-depends "$module"
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r file; do
        name=$(basename "$file" .xz)
        name=$directory/modules/$(printf '%02d' "$number")-$name
        case $file in
            *.xz) xz -dc "$file" >"$name" ;;
            *) cp "$file" "$name" ;;
        esac
        number=$((number + 1))
    done
}

# A folder that an older list of modules has filled is filled anew.
if [ "$(cat "$directory/list" 2>/dev/null)" = "${modules[*]}" ] && [ -e "$directory/complete" ] &&
    [ "$(qemu_version)" -ge "$least_qemu" ] && command -v fdtoverlay mkfs.vfat mcopy >/dev/null; then
    echo "entrance: $directory is complete"
    exit
fi
rm -rf "$directory/modules" "$work"
mkdir -p "$work"
apt-get -qq update
install_tools
unpack_guest
collect_modules
cp "$work/root/boot/vmlinuz-$kernel" "$directory/vmlinuz"
cp "$(find "$work/root" -path '*/bin/busybox' -type f)" "$directory/busybox"
rm -rf "$work"
echo "${modules[*]}" >"$directory/list"
echo "$kernel" >"$directory/complete"
echo "entrance: QEMU $(qemu_version), kernel $kernel, $directory"
