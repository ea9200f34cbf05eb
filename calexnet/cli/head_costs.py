"""What the branches cost beside the network that they stand on, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from calexnet.costs import Macs, Parameters


def head_costs(attach: Sequence[str], macs: Macs, parameters: Parameters) -> str:
    """Return a line for each branch, and one for all together.

    Args:
        attach: Where the branches are, in running order.
        macs: Of one image.
        parameters: Of the network and its branches.
    """
    reached = 0
    lines = ["branch              head MACs  of plain  parameters  of plain  MACs behind it"]
    rows = zip(attach, macs.stages, macs.branches, parameters.branches, strict=False)
    for name, stage, head, numbers in rows:
        reached += stage
        behind = f"{1 - reached / macs.plain:14.1%}" if macs.plain else f"{'-':>14}"
        lines.append(f"{_line(name, head, numbers, macs, parameters)}  {behind}")
    if len(attach) > 1:
        together = sum(macs.branches), sum(parameters.branches)
        lines.append(_line("all", *together, macs, parameters))
    lines.append(f"{'plain':<16}  {macs.plain:11,}  {'':>8}  {parameters.network:10,}")
    return "\n".join(lines)


def _line(name: str, head: int, numbers: int, macs: Macs, parameters: Parameters) -> str:
    shares = (_share(head, macs.plain), _share(numbers, parameters.network))
    return f"{name:<16}  {head:11,}  {shares[0]:>8}  {numbers:10,}  {shares[1]:>8}"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"
