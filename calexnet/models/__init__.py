"""Model cascades: whole networks as ONNX graphs, small before large. No torch, no onnx.

A run of such a cascade holds the graphs as they are, and thresholds; nothing in it was trained
here. `cascade_of` finds the thresholds, `save` and `load` keep the run, which
`calexnet.export.export_run` takes like any other. `calexnet.export.intake.models` takes files in.
"""

from calexnet.models.averaging import Average
from calexnet.models.making import Alone, ModelPlan, cascade_of
from calexnet.models.model import Model, ModelBranch, ModelCascade, ModelCascadeSpec, ModelSpec
from calexnet.models.run import is_models, load, save

__all__ = [
    "Alone",
    "Average",
    "Model",
    "ModelBranch",
    "ModelCascade",
    "ModelCascadeSpec",
    "ModelPlan",
    "ModelSpec",
    "cascade_of",
    "is_models",
    "load",
    "save",
]
