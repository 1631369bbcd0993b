"""J and F of DAVIS: real masks with predictions by rule, and edge cases (sections 1 and 12 of the metrics' README)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from tests.parity import davis_rules as rules
from tests.parity.goldens import CannotReplayError, Comparison, Context, Golden, spec_of
from tests.parity.metrics_files import PART, keys_of

from singleout.evaluation.metrics.boundary import boundary_map, contour_accuracy, similarity
from singleout.evaluation.metrics.davis import (
    Davis,
    DavisResult,
    VideoScores,
    assign,
    ref_davis,
    semi_supervised,
    statistics,
    unsupervised,
)
from singleout.evaluation.metrics.region import region_similarity

__all__ = ["PART", "claims", "replay"]
CASES = ("davis16-semi", "davis16-unsup", "multi-semi", "multi-unsup", "refdavis")


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    if path.suffix == ".json":
        return bool(keys_of(path).intersection(CASES))
    return bool({"predictions", "match_*"}.intersection(spec_of(path)))


def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    if "match_*" in golden.spec:
        yield from _edge_cases(golden)
    elif path.suffix == ".json":
        yield from _tables(golden, context)
    else:
        for case in golden.parts():
            for name in golden.parts(f"{case}/"):
                sequence, _, number = name.rpartition("_")
                scores = _scores(context.shared, case, sequence)
                row = int(number) - 1
                yield golden.compare(f"{case}/{name}/J", scores.j[row])
                yield golden.compare(f"{case}/{name}/F", scores.f[row])


def _tables(golden: Golden, context: Context) -> Iterator[Comparison]:
    for case in golden.parts():
        if case != "refdavis":
            result = _result(golden, f"{case}/", context.shared, case)
            yield from _table(golden, f"{case}/", result)
            continue
        annotators = []
        for number in golden.parts("refdavis/annotators/"):
            prefix = f"refdavis/annotators/{number}/"
            annotators.append(_result(golden, prefix, context.shared, f"refdavis-{number}"))
            yield from _table(golden, prefix, annotators[-1])
        for name, value in ref_davis(annotators).row().items():
            yield golden.compare(f"refdavis/mean/{name}", value)


def _result(golden: Golden, prefix: str, shared: Path, case: str) -> DavisResult:
    davis = Davis()
    for sequence in dict.fromkeys(name.rpartition("_")[0] for name in golden.parts(f"{prefix}per_object/")):
        davis.add(sequence, _scores(shared, case, sequence))
    return davis.result()


def _table(golden: Golden, prefix: str, result: DavisResult) -> Iterator[Comparison]:
    for name, value in result.row().items():
        yield golden.compare(f"{prefix}global/{name}", value)
    for each in result.objects:
        for letter, values in (("J", each.j), ("F", each.f)):
            yield golden.compare(f"{prefix}per_object/{each.name}/{letter}-Mean", values.mean)
            yield golden.compare(f"{prefix}per_object/{each.name}/{letter}-Recall", values.recall)
            yield golden.compare(f"{prefix}per_object/{each.name}/{letter}-Decay", values.decay)


@cache
def _scores(shared: Path, case: str, sequence: str) -> VideoScores:
    """The values of a sequence, which both files with goldens of real masks ask for; Ref-DAVIS is refdavis-0 to -3."""
    name, _, annotator = case.partition("refdavis-")
    if name not in ("", *CASES):
        raise CannotReplayError(f"unknown case {case}; known are {', '.join(CASES)}")
    masks = enumerate(rules.read_mask(path) for path in Context(shared).annotations(sequence))
    if case == "multi-semi":
        pairs = (rules.semi_supervised_pair(mask, frame) for frame, mask in masks)
    elif case in ("davis16-semi", "davis16-unsup"):
        pairs = ((mask.astype(np.int32), rules.predicted(mask, frame).astype(np.int32)) for frame, mask in masks)
    else:
        pairs = (rules.unsupervised_pair(mask, frame, int(annotator or 0)) for frame, mask in masks)
    evaluate = semi_supervised if case.endswith("-semi") else unsupervised
    return evaluate(((found, truth) for truth, found in pairs), where=sequence)


def _edge_cases(golden: Golden) -> Iterator[Comparison]:
    found, truth, void = (golden.input(name) for name in ("pred", "gt", "void"))
    yield golden.compare("J", [region_similarity(*pair) for pair in zip(found, truth, strict=True)])
    yield golden.compare("F", [contour_accuracy(*pair) for pair in zip(found, truth, strict=True)])
    yield golden.compare("J_void", [region_similarity(*three) for three in zip(found, truth, void, strict=True)])
    yield golden.compare("F_void", [contour_accuracy(*three) for three in zip(found, truth, void, strict=True)])
    yield golden.compare("F_th3", [contour_accuracy(*pair, bound_th=3) for pair in zip(found, truth, strict=True)])
    yield golden.compare("boundary_gt", np.stack([boundary_map(mask) for mask in truth]))
    for number in golden.parts("stat/"):
        values = statistics(golden.input(f"stat/{number}/values"))
        yield golden.compare(f"stat/{number}/M_R_D", [values.mean, values.recall, values.decay])
    proposals, objects = golden.input("match_pred"), golden.input("match_gt")
    pairs = [[[similarity(*frame) for frame in zip(one, other, strict=True)] for other in objects] for one in proposals]
    j, f = np.moveaxis(np.array(pairs), -1, 0)
    matched = assign(j, f)
    yield golden.compare("match_J", j[matched])
    yield golden.compare("match_F", f[matched])
