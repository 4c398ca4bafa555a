"""What a door would hear: visits, empty rooms, posters and long stays, played through the program.

    python -m evaluate.visits --data DATA --maskbell ../target/release/maskbell --out OUT

Makes clips from the stills of DATA/val, plays them through the program, keeps what it saw under OUT/looks (that is
not done again: remove it when the models change), and replays all of it through the policy, by the example `looks`
(`cargo build --release --example looks`). A changed policy takes seconds: build it, run the same command again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from pathlib import Path

from evaluate.visits.record import clips, looks_of, record, record_stays
from evaluate.visits.replay import prepare, replay
from evaluate.visits.score import Played, Row, more, rows
from evaluate.visits.stills import HALVES


def report(table: list[Row], lines: list[tuple[str, str]], half: str, share: float, agreement: str) -> str:
    """The report in Markdown."""
    text = f"# What a door hears: stills to {half} on, {share:.0%} of the clips\n\n"
    text += "Visits at 10 frames a second. Shares with Wilson's 95 % interval.\n\n"
    text += "| | before | must | aim | measured |\n|---|---|---|---|---|\n"
    text += "".join(f"| {r.name} | {r.now} | {r.must} | {r.aim} | {r.value} |\n" for r in table)
    text += "\n| more | |\n|---|---|\n" + "".join(f"| {name} | {value} |\n" for name, value in lines)
    text += (
        f"\nWhen the clips were recorded, the program itself said the same as the replay in {agreement} clips "
        "(a policy or models that have changed since make them differ).\n"
    )
    return text


def _reminders(plays: list[Played]) -> str:
    return "".join(
        json.dumps({
            "clip": play.name, "suite": play.suite, "rate": play.rate, **play.about,
            "said": [dataclasses.asdict(one) for one in play.said],
        }) + "\n"
        for play in plays
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with val/")
    parser.add_argument("--maskbell", type=Path, required=True, help="the program")
    parser.add_argument("--replay", type=Path, help="the example `looks` (default: beside the program)")
    parser.add_argument("--out", type=Path, required=True, help="report.md, reminders.jsonl")
    parser.add_argument("--looks", type=Path, help="what the program saw (default: OUT/looks)")
    parser.add_argument("--recorded", action="store_true", help="only clips whose looks are there: play none")
    parser.add_argument("--half", choices=HALVES, default="report",
                        help="the stills to choose constants on, or those to report (default)")
    parser.add_argument("--share", type=float, default=1.0, help="only this share of everything, 0 to 1")
    parser.add_argument("--quick", action="store_const", const=0.1, dest="share", help="a tenth of everything")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="clips played at the same time")
    arguments = parser.parse_args()
    # A program that is called by a name without a folder would be looked for elsewhere.
    maskbell = arguments.maskbell.resolve()
    looks_example = (arguments.replay or maskbell.parent / "examples" / "looks").resolve()
    for program, made_by in ((maskbell, ""), (looks_example, " --example looks")):
        if not program.is_file():
            raise SystemExit(f"{program} is missing: cargo build --release{made_by}")
    out = arguments.out
    looks = arguments.looks or out / "looks"
    for folder in (out, looks):
        folder.mkdir(parents=True, exist_ok=True)
    all_clips = clips(arguments.data, arguments.half, arguments.share)
    if arguments.recorded:
        all_clips = [clip for clip in all_clips if looks_of(looks, clip).exists()]
        if not all_clips:
            raise SystemExit(f"{looks} has none of these clips: run without --recorded")
    else:
        record(all_clips, maskbell, looks, arguments.jobs)
    stays = record_stays(looks, arguments.share)
    plays, agreement = replay(looks_example, *prepare(all_clips, looks, stays, out))
    text = report(rows(plays), more(plays), arguments.half, arguments.share, agreement)
    (out / "report.md").write_text(text)
    (out / "reminders.jsonl").write_text(_reminders(plays))
    print(text)


if __name__ == "__main__":
    main()
