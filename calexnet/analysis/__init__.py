"""Analyses by name: from result files to tables and figures, one module an artefact.

Every module has ``HELP``, ``configure(parser)`` and ``analyse(arguments) -> Artefact``. They read
what `calexnet.sweep` or `calexnet.bench` wrote, train nothing and need no torch.
"""

from __future__ import annotations

#: name -> its module
ANALYSES = {
    "choose": "calexnet.analysis.choose",
    "pareto": "calexnet.analysis.pareto",
    "summary": "calexnet.analysis.summary",
    "exemplars": "calexnet.analysis.exemplars",
    "latency": "calexnet.analysis.latency",
    "ablation": "calexnet.analysis.ablation",
    "ece": "calexnet.analysis.ece",
    "shift": "calexnet.analysis.shift",
    "promises": "calexnet.analysis.promises",
}
