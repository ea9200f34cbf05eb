"""The recipe: which method, head, score and rule make branches of a backbone. Needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from calexnet import rules
from calexnet.calibration import OperatingPoint, operating_points
from calexnet.errors import InputError
from calexnet.gating import ExitTable, choose_exits
from calexnet.registry import BUILT_IN_ONLY, Allowed, Part
from calexnet.training import methods
from calexnet.training.branches import Branch
from calexnet.training.methods.base import Task, exit_table
from calexnet.training.scores import SOFTMAX
from calexnet.training.spec import BranchReport, Optimisation, Recipe


def plan_recipe(
    method: Part | None = None,
    *,
    head: str = "prototype",
    exits: Sequence[str] = (),
    score: str = SOFTMAX,
    rule: Part | None = None,
    setting: float | None = None,
    settings: Sequence[float] | None = None,
    optimisation: Optimisation | None = None,
    allow: Allowed = BUILT_IN_ONLY,
) -> Recipe:
    """Return a recipe in which everything that is not given follows from the method.

    Args:
        method: CalexNet by default.
        head: ``native`` stands for the method's own.
        exits: See `Recipe`.
        score: See `Recipe`.
        rule: The method's by default.
        setting: The rule's default by default.
        settings: The rule's by default; `setting` is always among them.
        optimisation: See `Optimisation`.
        allow: Whose own parts may be imported.

    Raises:
        InputError: A name or a switch is unknown, or exits do not go with the method.
    """
    method = method or Part("calexnet")
    made = methods.build(method, allow)
    found = rules.build(rule or made.default_rule, allow)
    own_exits = method.name == methods.TRAINED
    if own_exits != bool(exits):
        raise InputError(
            "exits and method do not go together",
            got=f"--method {method.name} with {len(exits)} --exits",
            expected="--method trained with --exits, or neither",
        )
    default = found.default if setting is None else setting
    return Recipe(
        method=method,
        head=made.native_head if own_exits or head == methods.NATIVE else head,
        exits=tuple(exits),
        score=score,
        rule=rule or made.default_rule,
        setting=default,
        settings=tuple(sorted({default, *(found.settings if settings is None else settings)})),
        optimisation=optimisation or Optimisation(),
    )


@dataclass(frozen=True)
class TrainedBranches:
    """What training all branches came to.

    Attributes:
        exits: What every exit answers on the calibration samples.
        reports: One a branch.
        points: One a setting.
    """

    exits: ExitTable
    reports: tuple[BranchReport, ...]
    points: tuple[OperatingPoint, ...]


def train_branches(
    branches: Sequence[Branch], recipe: Recipe, task: Task, allow: Allowed = BUILT_IN_ONLY
) -> TrainedBranches:
    """Train `branches` in place and find the thresholds of every operating point.

    Args:
        branches: Fresh ones, as the recipe's method makes them.
        recipe: Says how.
        task: Features and the rest.
        allow: Whose own methods may be imported.

    Raises:
        TrainingError: A loss is not finite.
    """
    outcome = methods.build(recipe.method, allow).train(branches, task)
    exits, truth = exit_table(branches, task.calibration), task.calibration.truth
    points = operating_points(exits, truth, recipe.settings, classes=task.classes, rule=task.rule)
    table = task.rule.calibrate(exits, truth, task.classes, task.setting)
    taken = choose_exits(exits, table)
    reports = [
        BranchReport(
            attach=task.attach[k],
            loss=outcome.losses[k],
            calibration_accuracy=float((exits.labels[k] == truth).mean()),
            effective_samples=outcome.effective_samples[k],
            reached=int((taken > k).sum()),
            left=int((taken == k + 1).sum()),
        )
        for k in range(len(branches))
    ]
    return TrainedBranches(exits, tuple(reports), points)
