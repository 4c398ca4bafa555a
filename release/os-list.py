#!/usr/bin/env python3
"""os-list.py TAG URL DATE OUT: writes OUT/os_list.json, with which Raspberry Pi Imager offers the images in OUT.

TAG is the release, URL the folder that its files can be fetched from, DATE the day of the release (YYYY-MM-DD).  The images
are OUT/maskbell-TAG-BOARD.img.xz; sizes and checksums are measured.  For a person: Imager, App options, Content repository,
custom URL.
"""

import hashlib
import json
import lzma
import pathlib
import re
import sys

# Imager's tags of devices: https://downloads.raspberrypi.com/os_list_imagingutility_v4.json, "devices".
BOARDS = {
    "pi3": ("Raspberry Pi 3 and Zero 2 W", ["pi3-64bit"]),
    "pi4": ("Raspberry Pi 4, 400 and CM4", ["pi4-64bit"]),
    "pi5": ("Raspberry Pi 5, 500 and CM5", ["pi5-64bit"]),
}
PIECE = 1 << 20


def measure(file):
    """Size in bytes and SHA-256 of what can be read from a file."""
    size, digest = 0, hashlib.sha256()
    while piece := file.read(PIECE):
        size += len(piece)
        digest.update(piece)
    return size, digest.hexdigest()


def entry(image, board, url, tag, date):
    """One line of Imager's list."""
    boards, devices = BOARDS[board]
    with image.open("rb") as packed:
        packed_size, packed_digest = measure(packed)
    with lzma.open(image) as unpacked:
        size, digest = measure(unpacked)
    return {
        "name": f"maskbell {tag} for {boards}",
        "description": "A friendly mask reminder for an entrance: needs a camera and a piezo buzzer",
        # One of Imager's own.
        "icon": "icons/use_custom.png",
        "url": f"{url.rstrip('/')}/{image.name}",
        "extract_size": size,
        "extract_sha256": digest,
        "image_download_size": packed_size,
        "image_download_sha256": packed_digest,
        "release_date": date,
        "devices": devices,
        # There is nothing that Imager could set up: no user, no network.
        "init_format": "none",
    }


def main():
    if len(sys.argv) != 5:
        sys.exit("usage: os-list.py TAG URL DATE OUT")
    tag, url, date, out = sys.argv[1:]
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", date):
        sys.exit(f"os-list.py: {date} is no date such as 2026-01-31")
    out = pathlib.Path(out)
    images = [(board, out / f"maskbell-{tag}-{board}.img.xz") for board in BOARDS]
    images = [(board, image) for board, image in images if image.exists()]
    if not images:
        sys.exit(f"os-list.py: there is no maskbell-{tag}-BOARD.img.xz in {out}")
    entries = [entry(image, board, url, tag, date) for board, image in images]
    (out / "os_list.json").write_text(json.dumps({"os_list": entries}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
