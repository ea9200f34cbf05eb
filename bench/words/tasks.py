"""What is timed under one name, such as ``onnxruntime fp32 exit2@8``, in a reader's words."""

from __future__ import annotations

import re

#: Target and precision; what runs there, as `calexnet.bench.measuring.subject` names it; images a
#: call.
_NAME = re.compile(
    r"(?P<where>.+?) (?P<what>plain|cascade|exit\d+|half\d+|cut\d+|one file(?: exit\d+)?|point .+)"
    r"@(?P<batch>\d+)"
)
_RIVAL = re.compile(r"rival (?P<what>.+)@(?P<batch>\d+)", re.DOTALL)


def in_words(task: str) -> str:
    """Return what was timed: ``images leaving at exit 2 on onnxruntime fp32, 8 images a call``."""
    if found := _RIVAL.fullmatch(task):
        return f"{found['what']}, {_call(found['batch'])}"
    if found := _NAME.fullmatch(task):
        return f"{_network(found['what'])} on {found['where']}, {_call(found['batch'])}"
    return task


def _call(batch: str) -> str:
    return "single images" if batch == "1" else f"{batch} images a call"


def _network(what: str) -> str:
    kind, _, exit_number = what.rpartition("exit")
    if exit_number.isdecimal():
        return f"images leaving at exit {exit_number}{' of' * bool(kind)} {kind.strip()}".rstrip()
    if what.startswith("half"):
        return f"batches of which half leave at exit {what.removeprefix('half')}"
    if what.startswith("cut"):
        return f"the network cut at exit {what.removeprefix('cut')}"
    if what.startswith("point "):
        return f"the cascade at {what.removeprefix('point ')}"
    return {"plain": "plain", "cascade": "the cascade", "one file": "the cascade in one file"}[what]
