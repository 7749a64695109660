"""Trains the second plate reader and writes it as triton_models/plate_reader/1/model.onnx, with a log of the run.

    python -m venv .venv-training && .venv-training/bin/pip install -r triton_models/training/requirements.txt
    .venv-training/bin/python triton_models/training/train.py --seed 7
    mkdir -p build && mv triton_models/training/log.pt build/first.pt
    mv triton_models/training/log.json build/first.json
    .venv-training/bin/python triton_models/training/train.py --seed 8 --chunks 44 --peak 5e-4 --lookalikes 0.35 \
        --resume build/first.pt

The second run goes on from the first, with more of the characters that it mistook; the log holds both.

Unless --labels is given, nothing real is learned from: every picture is drawn by `synthesis`. The data and their order
depend on --seed, --chunks and --lookalikes alone, and torch is seeded; the last bits still depend on the machine's
number of threads and instructions. `--labels DIR`, the folder of `gtvision detections export-labels`, gives a tenth
of every batch (--labels-share) to plates that people vouch for; the log names them. `--check DIR` (pictures with a
labels.csv of image, x, y, width, height, plate) only measures while it trains.
"""

from __future__ import annotations

import argparse
import copy
import csv
import hashlib
import json
import logging
import math
import resource
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parent))

import batches
import export
import fonts
import labelled
from measure import Figures, figures, texts_of
from network import PlateReader, weight_count

Array = NDArray[Any]
HERE = Path(__file__).resolve().parent
MODEL = HERE.parent / "plate_reader" / "1" / "model.onnx"
BATCH, WARM_UP, PEAK, FLOOR = 128, 250, 1.6e-3, 2e-5
EVERY = 200
"""Steps between two measurements."""
_log = logging.getLogger("training")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="train the plate reader")
    parser.add_argument("--seed", type=int, default=7, help="of the data, their order and the first weights")
    parser.add_argument("--chunks", type=int, default=200, help=f"of {batches.PICTURES} pictures, each cropped twice")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--hours", type=float, default=2.0, help="stop then, whatever is left")
    parser.add_argument("--fonts", type=Path, default=Path("build/fonts"), help="where the fetched faces are kept")
    parser.add_argument("--out", type=Path, default=MODEL)
    parser.add_argument("--log", type=Path, default=HERE / "log.json")
    parser.add_argument("--labels", type=Path, help="plates to learn from too: a folder with plates.csv")
    parser.add_argument("--labels-share", type=float, default=0.1, help="of each batch")
    parser.add_argument("--check", type=Path, help="real pictures to measure on, never to train on")
    parser.add_argument("--resume", type=Path, help="an earlier run's checkpoint to start from; its log lies beside it")
    parser.add_argument("--peak", type=float, default=PEAK, help="the highest learning rate")
    parser.add_argument("--lookalikes", type=float, default=0.0, help="share of characters that are easily mistaken")
    chosen = parser.parse_args()
    if not 0 < chosen.labels_share < 1:
        parser.error(f"--labels-share: {chosen.labels_share} does not lie between 0 and 1")
    if chosen.resume and not chosen.resume.with_suffix(".json").is_file():
        parser.error(f"--resume: the log of that run is not beside it: {chosen.resume.with_suffix('.json').name}")
    if not 0 <= chosen.lookalikes <= 1:
        parser.error(f"--lookalikes: {chosen.lookalikes} does not lie between 0 and 1")
    return chosen


def rate(step: int, steps: int, peak: float = PEAK) -> float:
    """The learning rate: a linear rise, then half a cosine."""
    rise = min(WARM_UP, max(1, steps // 10))
    if step < rise:
        return peak * (step + 1) / rise
    done = min(1.0, (step - rise) / max(1, steps - rise))
    return FLOOR + (peak - FLOOR) * 0.5 * (1 + math.cos(math.pi * done))


def varied(crops: Array, generator: torch.Generator) -> Tensor:
    """A batch as the net's input, brightness, contrast and colour a little different each time it is seen."""
    x = torch.from_numpy(crops).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
    n = len(x)
    gain = torch.exp(torch.randn(n, 1, 1, 1, generator=generator) * 0.18)
    tint = torch.exp(torch.randn(n, 3, 1, 1, generator=generator) * 0.04)
    x = x * gain * tint + torch.randn(n, 1, 1, 1, generator=generator) * 0.1
    grey = torch.rand(n, 1, 1, 1, generator=generator) < 0.06
    x = torch.where(grey, x.mean(dim=1, keepdim=True), x)
    return x.clamp_(-1.2, 1.2).contiguous(memory_format=torch.channels_last)


def loss_of(net: nn.Module, x: Tensor, places: Tensor, layouts: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        characters, kinds = net(x)
    written = functional.cross_entropy(characters.float().flatten(0, 1), places.flatten(), label_smoothing=0.02)
    return written + 0.2 * functional.cross_entropy(kinds.float(), layouts, label_smoothing=0.02)


class Average:
    """The running mean of a net's weights, which reads better than the weights of any one step."""

    def __init__(self, net: PlateReader) -> None:
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        self.steps = 0

    @torch.no_grad()
    def update(self, net: PlateReader) -> None:
        self.steps += 1
        keep = min(0.999, (1 + self.steps) / (10 + self.steps))
        for own, new in zip(self.net.state_dict().values(), net.state_dict().values(), strict=True):
            if own.dtype.is_floating_point:
                own.mul_(keep).add_(new, alpha=1 - keep)
            else:
                own.copy_(new)


@torch.inference_mode()
def logits(net: PlateReader, crops: Array) -> tuple[Tensor, Tensor]:
    """Logits of the places [n, 8, 37] and of the layout [n, 6] of uint8 crops."""
    places, kinds = [], []
    for start in range(0, len(crops), 128):
        x = torch.from_numpy(crops[start : start + 128]).permute(0, 3, 1, 2).float() / 127.5 - 1
        found = net(x.contiguous(memory_format=torch.channels_last))
        places.append(found[0])
        kinds.append(found[1])
    return torch.cat(places), torch.cat(kinds)


def real(folder: Path | None) -> tuple[Array, list[str]] | None:
    """The crops (upright boxes with a small margin) and the texts of a folder of labelled pictures."""
    if folder is None:
        return None
    from synthesis.assembly import cut

    crops, wanted = [], []
    with (folder / "labels.csv").open() as rows:
        for row in csv.DictReader(rows):
            picture = cv2.imread(str(folder / row["image"]))
            x, y, w, h = (float(row[name]) for name in ("x", "y", "width", "height"))
            box = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], np.float32)
            crops.append(cut(picture, box, np.array([0.03, 0.05, 0.03, 0.05])))
            wanted.append(row["plate"])
    return np.stack(crops), wanted


class Run:
    """One training run: its net, its data, its figures."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        torch.manual_seed(options.seed)
        torch.use_deterministic_algorithms(True)
        torch.set_num_threads(options.threads)
        self.net = PlateReader().to(memory_format=torch.channels_last)
        if options.resume:
            self.net.load_state_dict(torch.load(options.resume))
        self.average = Average(self.net)
        self.held = batches.validation(1500)
        self.real = real(options.check)
        self.labelled = labelled.read(options.labels) if options.labels else None
        self.history: list[dict[str, Any]] = []
        self.started = time.monotonic()
        self.seen = 0

    def train(self) -> None:
        options = self.options
        decay = [weights for weights in self.net.parameters() if weights.ndim >= 2]
        plain = [weights for weights in self.net.parameters() if weights.ndim < 2]
        optimizer = torch.optim.AdamW(
            [{"params": decay, "weight_decay": 0.03}, {"params": plain, "weight_decay": 0.0}], fused=True
        )
        steps = options.chunks * 4 * batches.PICTURES // BATCH
        generator = torch.Generator().manual_seed(options.seed)
        faces = fonts.faces(fonts.fetch(options.fonts))
        incoming = batches.chunks(options.seed, options.chunks, faces, options.workers, options.lookalikes)
        drawn = batches.batches(incoming, BATCH, options.seed)
        if self.labelled:
            drawn = labelled.mixed(drawn, self.labelled, options.labels_share, options.seed)
        recent = 0.0
        for step, (crops, places, layouts) in enumerate(drawn):
            for group in optimizer.param_groups:
                group["lr"] = rate(step, steps, options.peak)
            x = varied(crops, generator)
            loss = loss_of(self.net, x, torch.from_numpy(places), torch.from_numpy(layouts))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
            optimizer.step()
            self.average.update(self.net)
            self.seen += len(crops)
            recent = 0.98 * recent + 0.02 * float(loss.detach()) if step else float(loss.detach())
            if (step + 1) % EVERY == 0:
                self.note(step + 1, steps, recent)
            if time.monotonic() - self.started > options.hours * 3600:
                _log.warning("the time is over at step %d of %d", step + 1, steps)
                break

    def note(self, step: int, steps: int, loss: float) -> None:
        """Measures the mean weights, says so, keeps a checkpoint."""
        self.net.eval()
        found = figures(logits(self.average.net, self.held.crops), self.held)
        entry = {"step": step, "of": steps, "seconds": round(time.monotonic() - self.started), "seen": self.seen}
        entry |= {"loss": round(loss, 4), "synthetic": found.exact, "layout": found.layout}
        if self.real is not None:
            read = texts_of(logits(self.average.net, self.real[0])[0])
            entry["real"] = sum(a == b for a, b in zip(read, self.real[1], strict=True))
            entry["misses"] = [f"{b}>{a}" for a, b in zip(read, self.real[1], strict=True) if a != b][:8]
        self.history.append(entry)
        _log.info(json.dumps(entry))
        torch.save(self.average.net.state_dict(), self.options.log.with_suffix(".pt"))
        self.net.train()

    def learned_from(self) -> Any:
        """For the log: what was in the batches."""
        if self.labelled is None:
            return (
                "drawn plates only; `real` in the history counts photographs that were never learned from, "
                "but whose errors steered how the old face is drawn"
            )
        return {
            "drawn": round(1 - self.options.labels_share, 4),
            "labels": self.labelled.name,
            "labels_share": self.options.labels_share,
            "labels_plates": len(self.labelled.pictures),
            "labels_sha256": self.labelled.sha256,
        }

    def before(self) -> dict[str, Any]:
        """For the log: the run that this one goes on from, whole."""
        if self.options.resume is None:
            return {}
        return {"before": json.loads(self.options.resume.with_suffix(".json").read_text())}

    def finish(self) -> None:
        """Fits the temperatures, writes the model and the log."""
        net = self.average.net
        fitted = export.temperatures(logits(net, self.held.crops), self.held)
        export.write(net, fitted, self.options.out)
        judged = batches.validation(3000)
        found: Figures = figures(logits(net, judged.crops), judged, fitted)
        log = {
            "learned_from": self.learned_from(),
            **self.before(),
            "seed": self.options.seed,
            "peak": self.options.peak,
            "lookalikes": self.options.lookalikes,
            "chunks": self.options.chunks,
            "weights": weight_count(net),
            "seconds": round(time.monotonic() - self.started),
            "cpu_seconds": cpu_seconds(),
            "threads": self.options.threads,
            "crops_seen": self.seen,
            "pictures_drawn": self.options.chunks * batches.PICTURES,
            "temperatures": {"characters": fitted[0], "layout": fitted[1]},
            "torch": torch.__version__,
            "sha256": hashlib.sha256(self.options.out.read_bytes()).hexdigest(),
            "synthetic": found.as_dict(),
            "history": self.history,
        }
        self.options.log.write_text(json.dumps(log, indent=1) + "\n")
        _log.info("wrote %s and %s", self.options.out, self.options.log)


def cpu_seconds() -> int:
    """What this process and the drawing ones, which have ended, took of all cores together."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return round(sum(used.ru_utime + used.ru_stime for used in both))


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    run = Run(arguments())
    run.train()
    run.finish()


if __name__ == "__main__":
    main()
