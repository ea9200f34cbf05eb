"""Analyses by name: from result files to tables and figures, one module an artefact.

Every module has ``HELP``, ``configure(parser)`` and ``analyse(arguments) -> Artefact``. They read
what `calexnet.sweep` or `calexnet.bench` wrote, train nothing and need no torch.
"""

from __future__ import annotations

#: name -> its module: what helps to choose a cascade, and to show it.
DEPLOYING = {
    name: f"calexnet.analysis.{name}"
    for name in ("select", "pareto", "summary", "exemplars", "latency")
}
#: Likewise: what explains how a method works.
STUDY = {
    name: f"calexnet.analysis.study.{name}" for name in ("ablation", "ece", "promises", "shift")
}
ANALYSES = DEPLOYING | STUDY
#: Old name -> the new one; it works for one version, with a word.
RENAMED = {"choose": "select"}
