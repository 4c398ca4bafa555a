#!/usr/bin/env python3
"""bill-of-materials.py OUTPUT: the bill of materials of a card image, as CycloneDX 1.6 JSON on the standard output.

OUTPUT is Buildroot's output folder, configured.  In it are Buildroot's packages for the card (`make show-info`) and the
crates that are linked into maskbell (`cargo tree`), with versions, licences, sources and checksums.  It depends on these
only: the same sources, the same bytes.  Needs no network.
"""

import json
import pathlib
import re
import subprocess
import sys
import tomllib

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
TARGET = "aarch64-unknown-linux-musl"


def output_of(*command, cwd=None):
    """What a command prints."""
    return subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.PIPE, text=True).stdout


def licences(text):
    """CycloneDX's licences: an SPDX expression if it looks like one, a name otherwise."""
    if not text:
        return []
    if re.fullmatch(r"\(?[A-Za-z0-9.+-]+( (OR|AND|WITH) [A-Za-z0-9.+()-]+)*\)?", text) and (" " in text):
        return [{"expression": text}]
    return [{"license": {"name": text}}]


def packages(output, version):
    """Buildroot's packages that are on the card."""
    shown = json.loads(output_of("make", "-s", "--no-print-directory", "show-info", cwd=output))
    for package in shown.values():
        # The toolchain is not on the card.
        if package.get("type") != "target" or not package.get("version") or package["name"].startswith("toolchain"):
            continue
        component = {
            "type": "application" if package["name"] == "maskbell" else "library",
            "bom-ref": f"buildroot:{package['name']}",
            "name": package["name"],
            "version": version if package["name"] == "maskbell" else package["version"],
            "licenses": licences(package.get("licenses", "")),
        }
        sources = [
            f"{uri.split('+', 1)[-1]}/{download['source']}"
            for download in package.get("downloads", [])
            for uri in download.get("uris", [])
            if uri.split("+", 1)[-1].startswith("https:")
        ]
        # The first is where it comes from; the others are mirrors.
        if sources:
            component["externalReferences"] = [{"type": "distribution", "url": sources[0]}]
        yield component


def crates():
    """The crates that are linked into the program."""
    locked = tomllib.loads((REPOSITORY / "Cargo.lock").read_text(encoding="utf-8"))["package"]
    checksums = {(package["name"], package["version"]): package.get("checksum") for package in locked}
    tree = output_of(
        "cargo", "tree", "--locked", "--no-default-features", "--target", TARGET,
        "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}\t{l}\t{r}", cwd=REPOSITORY,
    )  # fmt: skip
    for line in sorted(set(line.replace(" (*)", "") for line in tree.splitlines() if line)):
        package, licence, repository = line.split("\t")
        name, version = package.split()[:2]
        version = version.removeprefix("v")
        if name == "maskbell":
            continue
        component = {
            "type": "library",
            "bom-ref": f"pkg:cargo/{name}@{version}",
            "purl": f"pkg:cargo/{name}@{version}",
            "name": name,
            "version": version,
            "licenses": licences(licence),
        }
        if checksum := checksums.get((name, version)):
            component["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        if repository:
            component["externalReferences"] = [{"type": "vcs", "url": repository}]
        yield component


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: bill-of-materials.py OUTPUT")
    version = output_of(REPOSITORY / "buildroot/version").strip()
    on_card = sorted(packages(sys.argv[1], version), key=lambda component: component["name"])
    linked = list(crates())
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "firmware", "bom-ref": "card", "name": "maskbell card", "version": version}},
        "components": on_card + linked,
        "dependencies": [
            {"ref": "card", "dependsOn": [component["bom-ref"] for component in on_card]},
            {"ref": "buildroot:maskbell", "dependsOn": [component["bom-ref"] for component in linked]},
        ],
    }
    json.dump(bill, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
