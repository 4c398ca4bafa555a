"""What sounded, for whom, and whether it should have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from evaluate.score import overlap
from evaluate.visits.scenes import DARK, LOOKS, ROOM, WATCHED
from evaluate.visits.stills import seed

THEIRS = 0.2
"""From this overlap with a face that is there on a reminder is for it; else it is for something else."""


@dataclass(frozen=True)
class Reminder:
    """A reminder and whose it is."""

    time: float
    kind: str
    """`mask` or `nose`."""
    who: str
    """A name from the truth, or `nobody`."""


@dataclass
class Played:
    """A clip or a stay with what sounded in it."""

    name: str
    suite: str
    rate: float
    about: dict
    truth: list[tuple[float, dict]]
    """When which face was where."""
    said: list[Reminder] = field(default_factory=list)

    def hear(self, said: Iterable[dict]) -> None:
        """Takes the program's reminders."""
        # Reading and writing a number may change its last digit.
        truth = {round(time, 4): who for time, who in self.truth}
        self.said = [
            Reminder(one["time"], one["reminder"], whose(one["box"], truth.get(round(one["time"], 4), {})))
            for one in said
        ]

    def told(self, *who: str) -> list[Reminder]:
        """The reminders for some."""
        return [one for one in self.said if one.who in who]


def whose(box: Sequence[float], truth: dict[str, Sequence[float]]) -> str:
    """Who of those that are there a reminder is for."""
    if not truth:
        return "nobody"
    shared = overlap(np.array([box], float), np.array(list(truth.values()), float))[0]
    return list(truth)[shared.argmax()] if shared.max() >= THEIRS else "nobody"


def hour(looks: list[dict], name: str) -> Iterable[dict]:
    """An hour in a room put together from its looks in many lights: a light a minute, a look at a time."""
    rng = seed(f"hour of {name}")
    levels = [looks[start : start + LOOKS] for start in range(0, len(looks), LOOKS)]
    for minute in range(60):
        level = levels[rng.integers(len(levels))]
        for index, drawn in enumerate(rng.integers(len(level), size=60 * WATCHED)):
            at = round(60 * minute + index / WATCHED, 4)
            yield level[drawn] | {"at": at}


@dataclass(frozen=True)
class Row:
    """A line of the report."""

    name: str
    now: str
    must: str
    aim: str
    value: str


def wilson(hits: int, total: int) -> str:
    """A share with its count and Wilson's 95 % interval."""
    if not total:
        return "–"
    p, z = hits / total, 1.96
    middle = (p + z * z / (2 * total)) / (1 + z * z / total)
    reach = z * np.sqrt(p * (1 - p) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return f"**{p:.3f}** ({hits} of {total}; {max(0, middle - reach):.3f}–{min(1, middle + reach):.3f})"


Test = Callable[[Played], bool]


def share(plays: Iterable[Played], is_hit: Test) -> str:
    """Of how many plays something is true."""
    hits = [is_hit(play) for play in plays]
    return wilson(sum(hits), len(hits))


def by_rate(plays: Iterable[Played], is_hit: Test) -> str:
    """The same for each number of frames a second."""
    plays = list(plays)
    rates = sorted({play.rate for play in plays})
    return "; ".join(
        f"{rate:g}/s {share((play for play in plays if play.rate == rate), is_hit)}" for rate in rates
    ) or "–"


def any_said(play: Played) -> bool:
    """Somebody or something was reminded."""
    return bool(play.said)


def in_time(play: Played, height: float = 40, within: float = 2.0) -> bool:
    """The visitor was reminded within `within` seconds of being `height` pixels high."""
    large = [time for time, who in play.truth if _height(who.get("visitor")) >= height]
    told = play.told("visitor")
    return bool(large and told) and told[0].time <= large[0] + within


def _height(box: Sequence[float] | None) -> float:
    return box[3] - box[1] if box else 0.0


def _second_tone(play: Played) -> bool:
    return len(play.told("bare")) > 1


def _poster_later(play: Played) -> bool:
    return any(one.time >= ROOM for one in play.told("poster"))


def rows(plays: list[Played]) -> list[Row]:
    """What must be shown, by the names of its table; visits at 10 frames a second."""
    visits = [play for play in plays if play.suite == "visits" and play.rate == 10]

    def of(kind: str, background: str | None = None) -> list[Played]:
        return [
            play for play in visits
            if play.about["kind"] == kind and background in (None, play.about["background"])
        ]

    def suite(name: str) -> list[Played]:
        return [play for play in plays if play.suite == name]

    def hourly(plays: list[Played]) -> str:
        return f"**{np.mean([len(play.said) for play in plays]):.3f}** (mean of {len(plays)})" if plays else "–"

    def stay(play: Played) -> str:
        return f"{play.rate:g}/s **{len(play.said)}**"

    posters = suite("posters")
    return [
        Row("empty rooms spoken to in 60 s, of the face-free pictures", ".058 (30 s)", "≤ .01", ".002",
            share(suite("rooms"), any_said)),
        Row("reminders an hour in an empty room, mean over all, light changing every minute", "–", "≤ 0.5",
            "0.05", hourly(suite("lights"))),
        Row("masked visits nagged, plain background", ".07", "≤ .015", ".003",
            share(of("masked", "plain"), any_said)),
        Row("masked visits nagged, busy background", ".13", "≤ .02", ".003",
            share(of("masked", "busy"), any_said)),
        Row("… for the visitor / for something else, both backgrounds", "", "", "", " / ".join(
            share(of("masked"), lambda play, who=who: bool(play.told(who))) for who in ("visitor", "nobody"))),
        Row("bare visits reminded", "1.00", "≥ .985", ".995",
            share(of("bare"), lambda play: bool(play.told("visitor")))),
        Row("bare visits reminded within 2 s of 40 px", "–", "≥ .97", ".99", share(of("bare"), in_time)),
        Row("nose-out visits told (either tone)", ".83", "≥ .85", ".92",
            share(of("nose_out"), lambda play: bool(play.told("visitor")))),
        Row("mouth-out visits told (either tone)", ".92", "≥ .93", ".97",
            share(of("mouth_out"), lambda play: bool(play.told("visitor")))),
        Row("bare person who stays an hour, looks away as above: reminders", "120", "≤ 3", "1",
            ", ".join(map(stay, suite("hour"))) or "–"),
        Row("masked 20 s, bursts of 0.5 s, 5 % wrong looks: nagged at 3 / 10 / 30 a second",
            ".04 / .39 / .44", "≤ .03 each", ".005", by_rate(suite("masked"), any_said)),
        Row("crossings: second tone to somebody who was told", "21 of 135", "≤ 2", "0",
            f"**{sum(map(_second_tone, suite('crossings')))}** of {len(suite('crossings'))}"),
        Row("posters: reminders for them after the first minute", "–", "0", "0",
            f"**{sum(map(_poster_later, posters))}** of {len(posters)} posters, "
            f"**{sum(len([o for o in p.told('poster') if o.time >= ROOM]) for p in posters)}** reminders"),
    ]


def more(plays: list[Played]) -> list[tuple[str, str]]:
    """What explains the figures."""
    visits = [play for play in plays if play.suite == "visits"]
    lines = []

    def line(name: str, text: str) -> None:
        lines.append((name, text))

    def is_told(play: Played) -> bool:
        return bool(play.told("visitor"))

    for kind, title, test in (
        ("masked", "masked visits nagged", any_said), ("bare", "bare visits reminded", is_told),
        ("bare", "bare visits reminded within 2 s of 40 px", in_time),
        ("nose_out", "nose-out visits told", is_told), ("mouth_out", "mouth-out visits told", is_told),
    ):
        of_kind = [play for play in visits if play.about["kind"] == kind]
        line(f"{title}, all rates", by_rate(of_kind, test))
        fast = [play for play in of_kind if play.about["fast"]]
        line("… the same visits at each rate", by_rate(fast, test))
        usual = [play for play in of_kind if play.rate == 10]
        for background in ("plain", "busy"):
            part = [play for play in usual if play.about["background"] == background]
            line(f"… {background}, 10/s", share(part, test))
        for folder in ("ilc", "faces", "synth"):
            part = [play for play in usual if play.about["folder"] == folder]
            if part:
                line(f"… stills of {folder}, 10/s", share(part, test))
    usual = [play for play in visits if play.rate == 10]
    for kind in ("bare", "nose_out", "mouth_out"):
        part = [play for play in usual if play.about["kind"] == kind]
        line(f"tones heard by {kind} visitors: mask only / nose only / both", " / ".join(
            share(part, lambda play, tones=tones: {one.kind for one in play.told("visitor")} == tones)
            for tones in ({"mask"}, {"nose"}, {"mask", "nose"})))
        line(f"{kind} visits in which something else was reminded",
             share(part, lambda play: bool(play.told("nobody"))))
    for how in ("passing", "crossing"):
        part = [play for play in plays if play.suite == "pairs" and play.about["how"] == how]
        line(f"two people, {how}: bare one reminded", share(part, lambda play: bool(play.told("bare"))))
        line("… masked one reminded", share(part, lambda play: bool(play.told("masked"))))
        line("… something else reminded", share(part, lambda play: bool(play.told("nobody"))))
        line("… more than one reminder for the bare one", share(part, _second_tone))
    lights = [play for play in plays if play.suite == "lights"]
    line("rooms with a reminder in an hour of changing light", share(lights, any_said))
    most = sorted((len(play.said) for play in lights), reverse=True)[:5]
    line("most reminders in one of them", ", ".join(map(str, most)))
    posters = [play for play in plays if play.suite == "posters"]

    def spoken(play: Played, low: float, high: float) -> bool:
        return any(low <= one.time < high for one in play.told("poster"))

    for name, low, high in (
        ("in the first minute", 0, ROOM), ("with visitors", ROOM, DARK[0]),
        ("in the dark and after it", DARK[0], 1e9),
    ):
        line(f"posters reminded {name}", share(posters, lambda p, low=low, high=high: spoken(p, low, high)))
    line("bare visitors before a poster reminded", share(posters, lambda play: bool(play.told("bare"))))
    line("masked visitors before a poster nagged",
         share(posters, lambda play: bool(play.told("masked", "masked again"))))
    line("posters: something else reminded", share(posters, lambda play: bool(play.told("nobody"))))
    missed = [play for play in plays if play.suite == "missed"]
    line("bare, missed a third of the time: reminded in 4 s", by_rate(missed, any_said))
    line("… within 2 s", by_rate(missed, lambda play: any(one.time <= 2 for one in play.said)))
    crossings = [play for play in plays if play.suite == "crossings"]
    line("crossings: the bare one reminded", share(crossings, lambda play: bool(play.told("bare"))))
    line("… the masked one reminded", share(crossings, lambda play: bool(play.told("masked"))))
    return lines
