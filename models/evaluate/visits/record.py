"""Plays clips through the program as a camera would, and keeps what it saw.

A clip lives in a temporary folder while it is played; its looks stay, one JSON object a line:
`{"clip", "at", "faces", "truth", "said"}`, the last two where there is something to say.
"""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
from tqdm import tqdm

from evaluate.visits.scenes import FAST, SLOW, Clip, lights, pair, poster, room, visit
from evaluate.visits.stays import stays
from evaluate.visits.stills import empties, faces, fraction

PAIRS, POSTERS = 40, 24
"""Pairs of people for each way of meeting, and posters, of each half of the stills."""


def clips(data: Path, half: str, share: float) -> list[Clip]:
    """All clips of one half of the stills, or a `share` of them; a larger share contains a smaller one."""
    stills, empty = faces(data, half), empties(data, half)
    if not stills or not empty:
        raise SystemExit(f"{data}/val lacks pictures: it must have ilc, faces, synth and neg")
    masked, bare = ([still for still in stills if still.kind == kind] for kind in ("masked", "bare"))

    def some(count: int, *lists: Sequence) -> zip:
        return zip(*([one[index % len(one)] for index in range(count)] for one in lists))

    all_clips = []
    for index, still in enumerate(stills):
        rate = FAST if fraction(f"fast {still.name}") < 1 / 4 else SLOW
        all_clips += [visit(still, rate, None), visit(still, rate, empty[index % len(empty)])]
    for how in ("passing", "crossing"):
        offset = 7 if how == "crossing" else 0
        for number, pictures in enumerate(some(PAIRS, masked[offset:], bare, empty[offset:])):
            all_clips.append(pair(*pictures[:2], how, pictures[2] if number % 2 else None))
    for number, pictures in enumerate(some(POSTERS, bare[::-1], masked, bare, empty[::-1])):
        all_clips.append(poster(*pictures[:3], pictures[3] if number % 2 else None))
    for path in empty:
        all_clips += [room(path), lights(path)]
    return sorted(
        (clip for clip in all_clips if fraction(clip.name) < share), key=lambda clip: fraction(clip.name)
    )


def looks_of(looks: Path, clip: Clip) -> Path:
    """Where a clip's looks are kept."""
    return looks / clip.suite / f"{clip.name}.jsonl"


_waiting: list[Clip] = []


def _play(task: tuple[int, Path, Path]) -> None:
    index, maskbell, looks = task
    clip = _waiting[index]
    cv2.setNumThreads(1)
    truths = []
    with tempfile.TemporaryDirectory(prefix="visits-") as folder:
        film = Path(folder) / "clip.mjpeg"
        with film.open("wb") as file:
            for frame in clip.frames():
                file.write(frame.jpeg)
                truths.append(frame.truth)
        command = [maskbell, "--source", film, "--fast", "--fps", str(clip.rate), "--json", "--looks"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{maskbell} fails on clip {clip.name}: {done.stderr.strip()}")
    lines, summary = [json.loads(line) for line in done.stdout.splitlines()], {}
    seen = []
    for line in lines:
        if "at" in line:
            seen.append({"clip": clip.name} | line | {"truth": truths[len(seen)]})
        elif "time" in line:
            seen[-1]["said"] = line
        else:
            summary = line
    if summary.get("frames") != len(truths) or len(seen) != len(truths):
        raise RuntimeError(f"{clip.name} has {len(truths)} frames, {maskbell} looked at {summary}")
    out = looks_of(looks, clip)
    unfinished = out.with_suffix(".partial")
    unfinished.write_text("".join(json.dumps(line) + "\n" for line in seen))
    unfinished.rename(out)


def record(all_clips: list[Clip], maskbell: Path, looks: Path, jobs: int) -> None:
    """Makes and plays the clips whose looks are not there yet."""
    _waiting[:] = [clip for clip in all_clips if not looks_of(looks, clip).exists()]
    for suite in {clip.suite for clip in _waiting}:
        (looks / suite).mkdir(parents=True, exist_ok=True)
    tasks = [(index, maskbell, looks) for index in range(len(_waiting))]
    bar = tqdm(total=len(all_clips), initial=len(all_clips) - len(tasks), unit="clip", smoothing=0.05)
    # Forked: the tasks know their clips by number.
    with bar, multiprocessing.get_context("fork").Pool(jobs) as pool:
        for _ in pool.imap_unordered(_play, tasks):
            bar.update()


def record_stays(looks: Path, share: float) -> Path:
    """Draws the looks of those who stay, unless they are there."""
    out = looks / f"stays-{share:g}.jsonl"
    if not out.exists():
        unfinished = out.with_suffix(".partial")
        with unfinished.open("w") as file:
            for stay in tqdm(stays(share), unit="stay", desc="drawing looks"):
                about = {"clip": stay.name, "suite": stay.suite, "rate": stay.rate}
                for look in stay.looks:
                    file.write(json.dumps(about | look) + "\n")
        unfinished.rename(out)
    return out
