"""The words that a reader of a report needs who has never heard of early exits."""

from __future__ import annotations

GLOSSARY: tuple[tuple[str, str], ...] = (
    (
        "Backbone, plain",
        "The classifier as it was before, in one piece. Plain means: measured in one piece.",
    ),
    (
        "Exit",
        "A place where an image may leave with an answer. A small head sits after a part of the "
        "backbone; if it is sure enough of its answer, the rest of the backbone is not run. The "
        "last exit is the backbone's own head.",
    ),
    ("Cascade", "The backbone with its exits and their thresholds."),
    (
        "Batch",
        "How many images go in with one call. Images that leave early make the batch smaller for "
        "those that stay, the survivors.",
    ),
    (
        "Ratio",
        "Time of the cascade over time of plain. 0.8 means a fifth less time; 1.2 a fifth more. "
        "The range in brackets is its 95 % interval. If it holds 1, this measurement cannot tell "
        "which is faster, and the verdict is unclear.",
    ),
    ("Exit rate", "The share of images that leave early, before the last part of the backbone."),
    ("Break-even", "The exit rate at which cascade and plain cost the same time."),
    (
        "Operating point",
        "One named table of thresholds. The margin that it was made for says how far below the "
        "backbone's precision a branch may stay, for the sake of more early exits.",
    ),
    (
        "Point",
        "One percentage point of accuracy: from 91 % to 90 % is a change of -1 point.",
    ),
    ("Segment, tail", "The parts that run one after another; the last one is the tail."),
    (
        "Energy above idle",
        "What an image uses beyond what the device would have used in that time anyway. All in is "
        "what a battery notices, above idle what the work itself costs.",
    ),
    ("MAC, FLOP", "One multiply-accumulate is two floating-point operations."),
)
