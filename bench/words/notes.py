"""What a reader should know of the run before any figure."""

from __future__ import annotations

from collections.abc import Iterator

from calexnet.bench.report.document import Provenance, Report
from calexnet.bench.words.figures import counted
from calexnet.devices.system import ROOT_VARIABLE


def notes(report: Report) -> tuple[str, ...]:
    """Return a sentence each, nothing if all is as a reader would take it to be."""
    group = report.data.group
    return (
        *(
            f"{one.target} {one.precision} was not measured: {one.message}"
            for one in report.left_out
        ),
        *([] if group is None else [_grouped(group, report.data.groups)]),
        *_of_the_run(report.provenance),
        *(
            ["Measured on all samples given, not on the recorded test part."]
            if report.data.part == "all"
            else []
        ),
    )


def _grouped(group: str, groups: int | None) -> str:
    """Return that accuracy is told by group, or that an older version did not do so."""
    if groups is not None:
        return (
            f"The test images belong together by {group}, in {counted(groups, 'group')}: accuracy, "
            "what is lost of it and certificates are of the mean over groups, and are tested by "
            "group."
        )
    return (
        f"The test images belong together by {group}, and certificates here take each by itself: "
        "they are too sure. calexnet evaluate tests by group."
    )


def _of_the_run(found: Provenance) -> Iterator[str]:
    if found.schema is not None:
        yield (
            f"An earlier version wrote this report, in schema {found.schema}: what it did not "
            "record is said to be so, or left out."
        )
    if found.tree is not None:
        yield (
            f"Clocks, temperatures and power were read from a tree of files ({found.tree.origin}: "
            f"{found.tree.board}), as {ROOT_VARIABLE} says. That is for tests and bug reports: no "
            "figure in watts or joules here is of a device."
        )
    if found.resumed:
        blocks = counted(found.resumed, "block")
        were = "was" if found.resumed == 1 else "were"
        yield f"{blocks} {were} measured in an earlier run that was cut short."
    yield from found.old_notes
