"""What a run has measured so far, kept on disk, so that a run that was cut short can go on.

With each block stands what was seen of the machine while it was measured: a run that goes on is
judged by all of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calexnet.bench.measuring.conditions import Look
from calexnet.bench.measuring.schedule import Schedule
from calexnet.bench.measuring.timing import Block
from calexnet.files import jsontext, schema
from calexnet.files.storage import explained, regular_bytes, staged_file

#: A journal that is larger is none of ours.
_MOST_BYTES = 256 * 2**20


class Journal:
    """Blocks by group, a line each, as they are measured. Nothing is kept without a path.

    Attributes:
        resumed: How many blocks an earlier run left.
        looks: What that run saw of the machine.
        schedule: By which it called everything, if it had begun.
    """

    def __init__(self, path: Path | None, lines: list[dict[str, Any]]) -> None:
        self._path = path
        self.schedule: Schedule | None = None
        self._blocks: dict[str, list[Block]] = {}
        self.looks: list[Look] = []
        for line in lines:
            if "schedule" in line:
                self.schedule = schema.decode(Schedule, line["schedule"])
            else:
                block = {name: (seconds, cpu_s) for name, (seconds, cpu_s) in line["block"].items()}
                self._blocks.setdefault(line["group"], []).append(block)
                self.looks.append(schema.decode(Look, line["look"]))
        self.resumed = sum(map(len, self._blocks.values()))

    @classmethod
    def open(cls, path: Path | None, identity: Mapping[str, object]) -> Journal:
        """Return the journal at `path`; one of another run, or a damaged one, is begun anew.

        Args:
            path: May not be there yet.
            identity: What tells this run from others; JSON types.
        """
        head = json.loads(json.dumps(identity))
        lines = [] if path is None else _read(path)
        if not lines or lines[0] != head:
            lines = [head]
        try:
            found = cls(path, lines[1:])
        except (ValueError, TypeError, KeyError, AttributeError):  # lines of another shape
            lines = [head]
            found = cls(path, [])
        if path is not None:  # also without the last line, should it have been cut
            with staged_file(path) as file:
                file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
        return found

    def blocks(self, group: str) -> list[Block]:
        """Return the blocks of a group that an earlier run left."""
        return self._blocks.get(group, [])

    def begin(self, schedule: Schedule) -> None:
        """Note how everything is called, before any block."""
        self._write({"schedule": schema.encode(schedule)})

    def add(self, group: str, block: Block, look: Look) -> None:
        """Keep a block, and what was seen of the machine while it was measured."""
        self._write({"group": group, "block": block, "look": schema.encode(look)})

    def _write(self, line: Mapping[str, object]) -> None:
        if self._path is not None:
            with explained(self._path), self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


def _read(path: Path) -> list[Any]:
    """Return the lines of a journal up to the first that was not written whole."""
    lines: list[Any] = []
    try:
        for text in regular_bytes(path, _MOST_BYTES).decode().splitlines(keepends=True):
            if not text.endswith("\n"):
                break
            lines.append(jsontext.parse(text))
    except (OSError, ValueError):
        pass
    return lines
