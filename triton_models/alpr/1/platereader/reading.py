"""Reading the plates of a batch of frames: the cheap reader first, then PP-OCR in the rows that are likely, then more
cuts of those plates that are not sure yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from . import calibration, decoding, fields, finding, formats, geometry, joint, priors, slots, views
from .decoding import Array
from .frame import Frame, Infer, Plate, batched
from .sifting import NO_PLATE, TWO_ROWS

TOGETHER = 2
"""How many cuts of a plate are read before it is asked whether they suffice."""
SURE = 0.97
CUT_OFF = 0.3
UNLIKELY = 0.02
"""Rows that the layout holds for less likely than this are not read."""
PLAIN = 0.03
"""The chance of no plate, over all views, below which there is one, however its characters are to be read."""
OCR_VIEWS: dict[int, Sequence[views.View | views.RowsView]] = {1: views.VIEWS, 2: views.ROWS_VIEWS}


@dataclass
class Job:
    """One plate and what the readers have said of it so far, by view. They see `picture`: the frame's, with its fields
    joined about the plate.
    """

    frame: Frame
    plate: Plate
    places: list[Array] = field(default_factory=list)
    layouts: list[Array] = field(default_factory=list)
    symbols: dict[int, list[Array]] = field(default_factory=lambda: {1: [], 2: []})
    raw: joint.Reading | None = None
    reading: joint.Reading | None = None
    picture: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.picture = fields.joined(self.frame.picture, self.plate.found)

    @property
    def sure(self) -> bool:
        first = self.reading.texts[0] if self.reading else None
        return first is not None and first.format is not None and first.confidence >= SURE

    @property
    def fits(self) -> bool:
        """Whether a text of a format is the likeliest so far."""
        return self.reading is not None and self.reading.texts[0].format is not None

    @property
    def looks(self) -> priors.Looks:
        """Layout, as the views of plate_reader have it on the average, and the band."""
        exact = self.plate.cornered
        blue, dark = views.band(self.picture, self.plate.whole, exact)
        layout = np.average(self.layouts, axis=0, weights=self.slot_weights()) if self.layouts else priors.UNSEEN
        return priors.Looks(layout, priors.band_odds(blue, dark, exact))

    @property
    def hopeless(self) -> bool:
        """A faint plate where no view shows one."""
        return self.plate.faint and min(float(layout[5]) for layout in self.layouts) > NO_PLATE

    def slot_weights(self) -> Array:
        """A view that shows no plate counts little."""
        weights = np.array([view.weight for view in views.ALL_SLOT_VIEWS[: len(self.layouts)]])
        return weights * (1.05 - np.array([layout[5] for layout in self.layouts]))

    def rows(self) -> list[int]:
        """In how many rows the plate may be, by its shape and its layout."""
        two = priors.Looks(np.mean(self.layouts, axis=0), 0).two_rows if self.layouts else 0.5
        likely = [1] if two < 1 - UNLIKELY or self.plate.aspect >= TWO_ROWS else []
        if self.plate.aspect < TWO_ROWS and two > UNLIKELY:
            likely.append(2)
        return likely

    def slot_cut(self, number: int) -> Array:
        """View `number` for plate_reader; from the third to the sixth, for doubtful plates, with its levels spread."""
        view = views.ALL_SLOT_VIEWS[number]
        cut = views.slot(self.picture, self.plate.whole, geometry.box_corners(self.plate.found), view)
        return views.spread(cut) if TOGETHER <= number < len(views.SLOT_VIEWS) else cut

    def ocr_cut(self, rows: int, number: int) -> Array:
        """View `number` of those of so many rows for PP-OCR, likewise."""
        view = OCR_VIEWS[rows][number]
        if isinstance(view, views.RowsView):
            cut = views.rectify_rows(self.picture, self.plate.whole, view)
        else:
            cut = views.rectify(self.picture, self._ocr_corners(view), view)
        return cut if number < TOGETHER else views.spread(cut)

    def _ocr_corners(self, view: views.View) -> Array:
        return self.plate.corners if view.corners else geometry.box_corners(self.plate.found)

    def looked_at(self) -> Array:
        """The upright box [4] of whole pixels about all that the readers were shown of the plate, in the picture."""
        box = geometry.box_corners(self.plate.found)
        shown = [views.outer(self.plate.whole if view.corners else box, view)
                 for view in views.ALL_SLOT_VIEWS[: len(self.layouts)]]  # fmt: skip
        for rows, symbols in self.symbols.items():
            for view in OCR_VIEWS[rows][: len(symbols)]:
                if isinstance(view, views.RowsView):
                    shown.append(views.outer(self.plate.whole, view.whole))
                else:
                    shown.append(views.outer(self._ocr_corners(view), view))
        around = geometry.bounds(np.concatenate(shown))
        width, height = self.frame.size
        edges = np.concatenate([np.floor(around[:2]), np.ceil(around[2:]) + 1])
        return np.clip(edges, 0, (width, height, width, height))


async def read_plates(frames: Sequence[Frame], infer: Infer) -> None:
    """Give each plate its reading: the first views of all, then more of those that are not sure yet.

    Plates that are too low, and faint ones where the readers see no plate, are dropped.
    """
    for frame in frames:
        frame.plates = [plate for plate in frame.plates if plate.height >= frame.options.min_plate_height]
    jobs = [Job(frame, plate) for frame in frames for plate in frame.plates if plate.reading is None]
    for start in range(0, len(views.VIEWS), TOGETHER):
        stop = start + TOGETHER
        open_jobs = [job for job in jobs if not job.sure and start < job.frame.options.views]
        await ask(open_jobs, start, stop, infer)
        settle([job for job in open_jobs if not job.hopeless])
    await _look_on([job for job in jobs if not job.sure and not job.hopeless], infer)
    for job in jobs:
        if job.reading is not None:
            _conclude(job, job.reading)
    for frame in frames:
        frame.plates = [plate for plate in frame.plates if plate.believed]
        finding.drop_doubles(frame)


async def ask(jobs: Sequence[Job], start: int, stop: int, infer: Infer) -> None:
    """The views from `start` to `stop` of all plates through both readers."""
    await _ask_slots(jobs, start, stop, infer)
    await _ask_ocr([job for job in jobs if not job.hopeless], stop, infer)


async def _look_on(jobs: Sequence[Job], infer: Infer) -> None:
    """Plates of a format that all views have left doubtful, through the cheap reader some more times.

    Not those of none: it learnt from plates of the formats, and the more it is asked, the more it makes of others.
    """
    asked = [job for job in jobs if job.fits and len(job.layouts) == len(views.SLOT_VIEWS)]
    more = range(len(views.SLOT_VIEWS), len(views.ALL_SLOT_VIEWS))
    await _show_slots([(job, number) for job in asked for number in more], infer)
    settle(asked)


async def _ask_slots(jobs: Sequence[Job], start: int, stop: int, infer: Infer) -> None:
    wanted = [(job, number) for job in jobs for number in range(start, min(stop, job.frame.options.views))]
    await _show_slots(wanted, infer)


async def _show_slots(wanted: Sequence[tuple[Job, int]], infer: Infer) -> None:
    answers = await batched("plate_reader", [job.slot_cut(number) for job, number in wanted], infer)
    for (job, _), (places, layout) in zip(wanted, answers, strict=True):
        job.places.append(places)
        job.layouts.append(layout)


async def _ask_ocr(jobs: Sequence[Job], stop: int, infer: Infer) -> None:
    """Up to the view `stop`: all those that a job has not had, as a faint plate may show itself to later views only."""
    wanted = [
        (job, rows, number)
        for job in jobs
        for rows in ([rows for rows in (1, 2) if job.symbols[rows]] or job.rows())
        for number in range(len(job.symbols[rows]), min(stop, job.frame.options.views))
    ]
    answers = await batched("plate_ocr", [job.ocr_cut(rows, number) for job, rows, number in wanted], infer)
    for (job, rows, _), (symbols,) in zip(wanted, answers, strict=True):
        job.symbols[rows].append(symbols)


def settle(jobs: Sequence[Job]) -> None:
    """All views of all jobs through one forward-backward, then each job's joint reading; those that may be of no format
    once more, for texts of any characters.
    """
    if not jobs:
        return
    patterns = [form.pattern for job in jobs for form in formats.chosen(job.frame.options.formats)]
    looks = {id(job): job.looks for job in jobs}
    beliefs = {id(job): _beliefs(job, looks[id(job)]) for job in jobs}
    ways = _ways(jobs, looks, patterns)
    free = [job for job in jobs if joint.freedom(ways[id(job)], *beliefs[id(job)]) > joint.SPELLED]
    if free:
        spelled = dict.fromkeys(pattern for job in free for pattern in joint.free_patterns(ways[id(job)]))
        ways |= _ways(free, looks, [*patterns, *spelled])
    for job in jobs:
        seen = looks[id(job)]
        job.raw = joint.decode(ways[id(job)], *beliefs[id(job)], plate=1 - seen.no_plate)
        job.reading = calibration.calibrated(job.raw, seen) if job.raw else None


def _beliefs(job: Job, looks: priors.Looks) -> tuple[Sequence[formats.Format], dict[str, float], float]:
    """The formats that are asked for, the log prior of each, the log odds against none."""
    wanted = formats.chosen(job.frame.options.formats)
    return wanted, priors.of_formats(looks, wanted), calibration.FOREIGN


def _ways(
    jobs: Sequence[Job], looks: Mapping[int, priors.Looks], patterns: Sequence[str]
) -> dict[int, list[joint.Way]]:
    """By the job's id, as `looks` is: its plate taken to have one row, two, or either, under the patterns."""
    heard = [(job, rows) for job in jobs for rows in (1, 2) if job.symbols[rows]]
    stacked = np.stack([symbols for job, rows in heard for symbols in job.symbols[rows]])
    found = decoding.by_pattern(stacked, patterns)
    slot_voices = {id(job): _slot_voice(job, patterns) for job in jobs}
    ways: dict[int, list[joint.Way]] = {id(job): [] for job in jobs}
    at = 0
    for job, rows in heard:
        stop = at + len(job.symbols[rows])
        part = {pattern: lattice.rows(at, stop) for pattern, lattice in found.items()}
        voices = (_ocr_voice(stacked[at:stop], rows, part), *slot_voices[id(job)])
        ways[id(job)].append(joint.Way(rows, voices, priors.of_rows(looks[id(job)])[rows]))
        at = stop
    return ways


def _ocr_voice(symbols: Array, rows: int, found: dict[str, decoding.Lattice]) -> joint.Voice:
    return joint.Voice(
        found,
        decoding.free_log(symbols),
        [decoding.greedy(view) for view in symbols],
        np.array([view.weight for view in OCR_VIEWS[rows][: len(symbols)]]),
        calibration.OCR_TRUST,
        calibration.OCR_FAITH,
    )


def _slot_voice(job: Job, patterns: Sequence[str]) -> list[joint.Voice]:
    if not job.places:
        return []
    places = np.stack(job.places)
    return [
        joint.Voice(
            slots.by_pattern(places, patterns),
            slots.free_log(places),
            [slots.greedy(view) for view in places],
            job.slot_weights(),
            calibration.SLOT_TRUST,
            calibration.SLOT_FAITH,
        )
    ]


def _conclude(job: Job, reading: joint.Reading) -> None:
    """The plate's reading, and the corners of what was read."""
    plate = job.plate
    plate.best = plate.whole if reading.rows == 2 else plate.corners
    plate.reading, plate.plain = reading, job.looks.no_plate <= PLAIN
    plate.cut = job.looked_at()
    width, height = job.frame.size
    x1, y1, x2, y2 = plate.found[:4]
    if reading.texts[0].format is None and (min(x1, y1) < 4 or x2 > width - 4 or y2 > height - 4):
        # A free text at the picture's edge is most likely a part of a plate.
        less = tuple(replace(text, confidence=text.confidence * CUT_OFF) for text in reading.texts)
        plate.reading = replace(reading, texts=less)
