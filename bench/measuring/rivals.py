"""Rivals: other networks that could be shipped instead, measured beside the bundle's own.

``calexnet-bench --rival FILE_OR_BUNDLE``, any number. To measure them in a run, open them once for
each thread setting with `open_rivals`, then treat each as one more subject of the same interleaved
blocks::

    for rival in open_rivals(paths, manifest.preprocessing, manifest.classes, threads):
        labels = rival.labels(images)                # for accuracy, on the whole test part
        if rival.takes(batch):                       # else its cell is n/a
            calls = [partial(rival.plain, part) for part in batches]
        rows.append(rival.record)                    # for the report

`rival.plain` takes the very arrays that `Runner.plain` takes, and all that it does to them counts
as the rival's time, as an app would pay for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calexnet.bench.report.rivals import Holds, Kind, RivalRecord, TensorForm
from calexnet.bundle import Bundle, open_bundle
from calexnet.errors import ExportError, InputError, RuntimeUnavailableError
from calexnet.export.graph.counts import count
from calexnet.images.preprocessing import Preprocessing
from calexnet.manifest import TensorRecord
from calexnet.runtimes.classifier import Classifier, open_classifier
from calexnet.runtimes.engines.base import Array
from calexnet.runtimes.loading import load_runner
from calexnet.runtimes.result import Result
from calexnet.runtimes.runner import Runner
from calexnet.runtimes.tflite.macs import count_macs

#: Of a bundle; a file holds a plain one.
Network = Literal["plain", "cascade"]

_ANSWER_BATCH = 64


@dataclass(frozen=True)
class Rival:
    """One other network, ready to answer; for one thread of control.

    Attributes:
        record: What a report says of it.
        threads: Within an operator, ``None`` = all cores.
        answer: Returns a batch's answers.
    """

    record: RivalRecord
    threads: int | None
    answer: Callable[[Array], Result]

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return self.record.name

    @property
    def kind(self) -> Kind:
        """What it is to the bundle's own networks."""
        return self.record.kind

    def takes(self, batch: int) -> bool:
        """Return whether it answers batches of this size."""
        return self.record.batch in (None, batch)

    def plain(self, images: Array) -> Result:
        """Return the answers for one batch of a size that it takes.

        Args:
            images: As the measured bundle takes them.

        Raises:
            InputError: Another type or shape, or a batch that it does not take.
            EngineError: The runtime failed.
        """
        return self.answer(images)

    def labels(self, images: Array) -> NDArray[np.int32]:
        """Return a label for every image, of any number: int32 ``(n,)``.

        Raises:
            EngineError: The runtime failed.
        """
        count, size = len(images), self.record.batch or _ANSWER_BATCH
        parts = []
        for start in range(0, count, size):
            part = images[start : start + size]
            if self.record.batch is not None and len(part) < size:  # the last one, made full
                part = part[np.arange(size) % len(part)]
            parts.append(self.answer(part).labels)
        return np.concatenate([np.empty(0, np.int32), *parts])[:count]


def open_rivals(
    paths: Sequence[Path], preprocessing: Preprocessing, classes: Sequence[str], threads: int | None
) -> tuple[Rival, ...]:
    """Return the rivals at `paths`, each under a name of its own; of a cascade both networks.

    See `open_rival`.

    Raises:
        InputError: A path stands there twice, or see `open_rival`.
    """
    return tuple(
        open_rival(path, preprocessing, classes, threads, name=name, network=network)
        for path, name in zip(paths, short_names(paths), strict=True)
        for network in _networks(path)
    )


def open_rival(
    path: Path,
    preprocessing: Preprocessing,
    classes: Sequence[str],
    threads: int | None,
    *,
    name: str | None = None,
    network: Network = "plain",
) -> Rival:
    """Return the classifier in a file, or a network of another bundle.

    Args:
        path: ``.onnx``, ``.tflite``, or a bundle's folder.
        preprocessing: What the images are like, and how a file's input is normalised. A bundle
            normalises as its own manifest says.
        classes: Names in label order, which a bundle's must equal; a file has as many.
        threads: Within an operator, ``None`` = all cores.
        name: In tables, ``None`` = the path's last part.
        network: Of a bundle: the backbone alone, or the cascade at its default operating point.

    Raises:
        InputError: It takes other images, tells other classes, or is no classifier at all.
        BundleError: The bundle is damaged.
        RuntimeUnavailableError: Its runtime is not installed.
    """
    if not path.exists():
        raise InputError(
            "there is no such rival", got=path, expected="an .onnx or .tflite file, or a bundle"
        )
    name = name or path.name
    if path.is_dir():
        return _of_bundle(path, preprocessing, classes, threads, name, network)
    if network != "plain":
        raise InputError(f"{path} holds no cascade", expected="a bundle")
    return _of_file(path, preprocessing, classes, threads, name)


def short_names(paths: Sequence[Path]) -> tuple[str, ...]:
    """Return for each path as many of its last parts as tell it from the others.

    Raises:
        InputError: A path stands there twice.
    """
    whole = [PurePath(path.absolute()) for path in paths]
    for index, path in enumerate(whole):
        if path in whole[:index]:
            raise InputError("a rival was given twice", got=paths[index])
    for length in range(1, max((len(path.parts) for path in whole), default=0) + 1):
        names = ["/".join(path.parts[-length:]) for path in whole]
        if len(set(names)) == len(names):
            return tuple(names)
    return ()


def _networks(path: Path) -> tuple[Network, ...]:
    if path.is_dir() and open_bundle(path).manifest.branches:
        return "plain", "cascade"
    return ("plain",)


def _of_file(
    path: Path,
    preprocessing: Preprocessing,
    classes: Sequence[str],
    threads: int | None,
    name: str,
) -> Rival:
    classifier = open_classifier(path, preprocessing, len(classes), threads)
    macs, uncounted, message = _macs(classifier, path)
    reading = classifier.reading
    record = RivalRecord(
        name=name,
        kind="smaller model",
        path=str(path),
        sha256=classifier.engine.record.file.sha256,
        target=classifier.engine.target,
        precision=None,
        batch=classifier.batch,
        takes=_form(classifier.intake.tensor, "raw" if classifier.intake.raw else "normalised"),
        gives=_form(reading.tensor, "labels" if reading.labels else "one number a class"),
        macs=macs,
        uncounted=uncounted,
        macs_message=message,
    )
    return Rival(record, threads, classifier)


def _form(tensor: TensorRecord, holds: Holds) -> TensorForm:
    return TensorForm(tensor.dtype, tensor.shape, holds)


def _macs(classifier: Classifier, path: Path) -> tuple[int | None, tuple[str, ...], str | None]:
    """Return the MACs of a file for one image, what of it is not counted, and what went wrong."""
    data = path.read_bytes()
    try:
        if classifier.engine.target == "tflite":
            macs, uncounted = count_macs(data)
        else:
            counts = count(data)
            macs, uncounted = counts.macs, counts.uncounted
    except (ExportError, RuntimeUnavailableError) as problem:
        return None, (), str(problem)
    if uncounted:
        return None, tuple(uncounted), None
    return macs // (classifier.batch or 1), (), None


def _of_bundle(
    path: Path,
    preprocessing: Preprocessing,
    classes: Sequence[str],
    threads: int | None,
    name: str,
    network: Network,
) -> Rival:
    bundle = open_bundle(path)
    _refuse_other_task(bundle, preprocessing, classes)
    runner = load_runner(bundle, threads=threads)
    cascade = network == "cascade"
    build, content = runner.compiled, bundle.manifest
    rates = content.operating_point(None, build).exit_rates
    record = RivalRecord(
        name=f"{name} {network}",
        kind="other cascade" if cascade else "smaller model",
        path=str(path),
        sha256=bundle.sha256,
        target=build.target,
        precision=build.precision,
        batch=None,
        takes=_taken(content.preprocessing),
        gives=TensorForm("int32", ("n",), "labels"),
        macs=round(content.macs.expected(rates)) if cascade else content.macs.plain,
    )
    return Rival(record, threads, _answering(runner, preprocessing, cascade=cascade))


def _taken(preprocessing: Preprocessing) -> TensorForm:
    raw = preprocessing.input == "uint8"
    shape = ("n", *preprocessing.batch_shape())
    return TensorForm(str(preprocessing.dtype), shape, "raw" if raw else "normalised")


def _refuse_other_task(
    bundle: Bundle, preprocessing: Preprocessing, classes: Sequence[str]
) -> None:
    theirs = bundle.manifest
    if theirs.preprocessing.image_shape != preprocessing.image_shape:
        raise InputError(
            f"{bundle.folder} takes other images",
            got=theirs.preprocessing.image_shape,
            expected=f"{preprocessing.image_shape}, as (H, W, C)",
        )
    if tuple(theirs.classes) != tuple(classes):
        raise InputError(
            f"{bundle.folder} tells other classes apart",
            got=", ".join(theirs.classes),
            expected=", ".join(classes),
        )


def _answering(runner: Runner, given: Preprocessing, *, cascade: bool) -> Callable[[Array], Result]:
    """Return a call that brings images into the form of another bundle, if need be, and asks it."""
    ask: Callable[[Array], Result] = runner if cascade else runner.plain
    taken = runner.preprocessing
    if taken == given or taken.input == given.input == "uint8":
        return ask

    def answer(images: Array) -> Result:
        checked: Array = given.check(images)
        raw = checked if given.input == "uint8" else given.restore(checked)
        return ask(raw if taken.input == "uint8" else taken.normalise(raw))

    return answer
