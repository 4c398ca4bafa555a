"""Replays kept looks through a policy: example `looks`, built beside the program."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from evaluate.score import read_lines
from evaluate.visits.record import looks_of
from evaluate.visits.scenes import Clip
from evaluate.visits.score import Played, hour

RATES = {30: (30, 10, 5), 10: (10, 5), 5: (5,)}
"""Frames a second at which a clip is judged: each second, third or sixth frame of it for the lower ones."""


def _plays(clip: Clip, looks: list[dict]) -> Iterator[tuple[Played, Iterable[dict]]]:
    if clip.suite == "lights":
        # A room in which nothing was ever seen stays silent whatever the policy.
        seen = any(look["faces"] for look in looks)
        yield Played(clip.name, clip.suite, clip.rate, clip.about, []), (hour(looks, clip.name) if seen else [])
        return
    for rate in RATES[int(clip.rate)]:
        part = looks[:: round(clip.rate / rate)]
        about = clip.about | {"fast": clip.rate == 30, "native": rate == clip.rate}
        truth = [(look["at"], look["truth"]) for look in part if look["truth"]]
        yield Played(f"{clip.name}@{rate}", clip.suite, rate, about, truth), part


def _stays(path: Path) -> Iterator[tuple[Played, Iterable[dict]]]:
    with path.open() as lines:
        for name, group in groupby(map(json.loads, lines), key=lambda look: look["clip"]):
            looks = list(group)
            truth = [(look["at"], look["truth"]) for look in looks if look.get("truth")]
            yield Played(name, looks[0]["suite"], looks[0]["rate"], {}, truth), looks


def prepare(clips: list[Clip], looks: Path, stays: Path, out: Path) -> tuple[Path, Path]:
    """All looks in one file, as the example reads them, and the truth about them in another; made once."""
    everything, truths, key = (out / name for name in ("replay.jsonl", "truth.jsonl", "replay.key"))
    names = "\n".join([stays.name, *sorted(f"{clip.suite}/{clip.name} {clip.about}" for clip in clips)])
    newest = max(looks_of(looks, clip).stat().st_mtime for clip in clips)
    wanted = hashlib.sha256(f"{names}\n{newest}".encode()).hexdigest()
    if key.exists() and key.read_text() == wanted:
        return everything, truths
    key.unlink(missing_ok=True)

    def all_plays() -> Iterator[tuple[Played, Iterable[dict], list]]:
        for clip in clips:
            kept = list(read_lines(looks_of(looks, clip)))
            said = [look["said"] for look in kept if "said" in look]
            for play, part in _plays(clip, kept):
                yield play, part, said
        for play, part in _stays(stays):
            yield play, part, []

    with everything.open("w") as lines, truths.open("w") as about:
        for play, part, said in all_plays():
            for look in part:
                line = {"clip": play.name} | {key: look[key] for key in ("at", "size", "faces") if key in look}
                lines.write(json.dumps(line, separators=(",", ":")) + "\n")
            about.write(json.dumps([play.name, play.suite, play.rate, play.about, play.truth, said]) + "\n")
    key.write_text(wanted)
    return everything, truths


def replay(looks: Path, everything: Path, truths: Path) -> tuple[list[Played], str]:
    """What a policy says to all looks, and how that compares with what the program said when it was recorded."""
    with everything.open("rb") as lines:
        done = subprocess.run([looks], stdin=lines, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{looks} fails: {done.stderr.strip()}")
    said = defaultdict(list)
    for line in done.stdout.splitlines():
        one = json.loads(line)
        said[one["clip"]].append(one)
    plays, same, native = [], 0, 0
    for name, suite, rate, about, truth, recorded in read_lines(truths):
        play = Played(name, suite, rate, about, truth)
        play.hear(said[name])
        plays.append(play)
        if about.get("native"):
            native += 1
            same += [(round(one.time, 4), one.kind) for one in play.said] == [
                (round(one["time"], 4), one["reminder"]) for one in recorded
            ]
    return plays, f"{same} of {native}"
