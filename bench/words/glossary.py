"""The words that a reader of a report needs who has never heard of early exits."""

from __future__ import annotations

#: What stands over every report.
LEAD = (
    "Plain is a trained classifier as it is: every image runs through all of it. A cascade is the "
    "same classifier with early exits: small outputs on the way, at which an image whose answer is "
    "already sure leaves, so that the rest is not run for it."
)

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
        "Time of the cascade over time of plain. 0.8 means a fifth less time; 1.2 a fifth more.",
    ),
    (
        "95 % interval",
        "The range in brackets behind a figure: were all of it measured again and again, 95 of 100 "
        "such ranges would hold the true value. If the range of a ratio holds 1, this measurement "
        "cannot tell which is faster, and the verdict is unclear.",
    ),
    ("Exit rate", "The share of images that leave early, before the last part of the backbone."),
    ("Break-even", "The exit rate at which cascade and plain cost the same time."),
    (
        "Target, precision",
        "The runtime that runs the network, and how its numbers are stored: fp32 is full, fp16 "
        "half, int8 whole numbers of 8 bits. A narrower one is smaller and often faster, and may "
        "answer otherwise.",
    ),
    (
        "Operating point",
        "One setting of the exits: how sure each must be of an answer before it lets the image go "
        "(its thresholds). A cascade has several, each with a name; one is the default.",
    ),
    (
        "Point",
        "One percentage point of accuracy: from 91 % to 90 %, one point is lost.",
    ),
    ("Segment, tail", "The parts that run one after another; the last one is the tail."),
    (
        "Energy above idle",
        "What an image uses beyond what the device would have used in that time anyway. All in is "
        "what a battery notices, above idle what the work itself costs.",
    ),
    ("MAC, FLOP", "One multiply-accumulate is two floating-point operations."),
)
