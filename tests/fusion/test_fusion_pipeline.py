"""Pipeline files: what they may say, and what is refused before anything is done."""

from __future__ import annotations

import itertools
import re

import pytest
from tests.fusion.members import PIPELINE

from singleout.errors import InputError
from singleout.fusion.pipeline import load_pipeline, parse_pipeline, shipped, text_of


def parse(steps: str, **more):
    return parse_pipeline(f"{more.pop('top', '')}\nsteps:\n{steps}", "file.yaml", **more)


A_AND_B = "  a: {masks: a.pth, holds: logits}\n  b: {masks: b}\n  pairs: {pair: object}\n  keys: {key-frames: a}\n"


def test_steps_come_after_those_that_they_need():
    found = parse(f"  out: {{export: both}}\n  both: {{vote: count, of: [a, b]}}\n{A_AND_B}")
    assert list(found.steps) == ["a", "b", "both", "out", "pairs", "keys"]
    assert found.wanted() == ["a", "b", "both", "out"]
    assert found.up_to(["keys"]) == ["a", "keys"]
    assert parse(A_AND_B).wanted() == ["a", "b", "pairs", "keys"]


def test_members_keep_probabilities_only_where_a_vote_looks_at_them():
    found = parse(f"{A_AND_B}  v: {{vote: mean, of: [a, b], threshold: 0.4}}\n  w: {{vote: count, of: [a, b]}}\n")
    assert found.steps["a"].soft
    assert not found.steps["b"].soft, "masks of 0 and 255 have no more to tell"


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("  a: {vote: count, of: [b]}\n  b: {vote: count, of: [c]}\n  c: {vote: count, of: [b]}", "b needs c needs b"),
        ("  a: {vote: count, of: [a]}", "a needs a"),
        (f"{A_AND_B}  v: {{vote: count, of: [a, d]}}", "step v: there is no step 'd'; steps that give masks: a, b, v"),
        (f"{A_AND_B}  v: {{vote: count, of: [a, pairs]}}", "step v: pairs gives pairs, expected masks"),
        (f"{A_AND_B}  v: {{vote: count, of: [a, b], pairs: a}}", "step v: a gives masks, expected pairs"),
        (f"{A_AND_B}  v: {{vote: count, of: [a, a]}}", "of names a step twice"),
        (f"{A_AND_B}  v: {{vote: count, of: [a, b], weights: {{c: 2}}}}", "weights: c: 2, expected one of a, b"),
        (f"{A_AND_B}  v: {{vote: count, of: [a, b], weights: {{a: -1}}}}", "a number from 0 on"),
        (f"{A_AND_B}  v: {{vote: count, of: [a, b], by-score: [c]}}", "by-score: c is no member"),
        (f"{A_AND_B}  v: {{vote: count, of: [a, b], alone: {{take: a}}}}", "alone means nothing without pairs"),
        (f"{A_AND_B}  v: {{vote: most, of: [a, b]}}", "file.yaml, step v: there is no vote 'most'"),
        (f"{A_AND_B}  v: {{vote: count, of: [a, b], at-most: 1}}", "step v: at-most is not known here"),
        (f"{A_AND_B}  k: {{key-frames: a, by: agreed}}", "by agreed needs the members"),
        (f"{A_AND_B}  k: {{key-frames: a, by: luck}}", "by: 'luck', expected highest or surest or agreed"),
        (f"{A_AND_B}  k: {{key-frames: a, by: highest, tolerance: 0.1}}", "tolerance is not known here"),
        (f"{A_AND_B}  p: {{propagate: a, from: b, model: m}}", "step p: b gives masks, expected key frames"),
        (f"{A_AND_B}  p: {{propagate: a, from: keys, model: m, memory: new}}", "expected kept or reset"),
        (f"{A_AND_B}  p: {{propagate: a, from: keys}}", "step p: model is missing"),
        (f"{A_AND_B}  e: {{export: a, as: coco}}", "expected ref-youtube-vos or mevis"),
        (f"{A_AND_B}  e: {{export: a}}\n  f: {{vote: count, of: [e]}}", "e gives nothing that steps can use"),
        ("  a: {masks: a, holds: numbers}", "holds: 'numbers', expected logits or probabilities or masks"),
        ("  a: {masks: a, threshold: 2}", "threshold: 2, expected a number from 0 to 1"),
        (
            "  a: {masks: a, treshold: 0.5}",
            "treshold is not known here; it may have: alone-in, holds, masks, threshold",
        ),
        ("  a: {masks: a, vote: count}", "expected one of predict, masks"),
        ("  a: {maks: a}", "found none of them"),
        ("  a: 3", "step a: expected names with values, got 3"),
        ("  a b: {masks: a}", "a name has letters, digits, - and _ only"),
        ("  a: {masks: a}\n  a: {masks: b}", "line 4 is no YAML: 'a' comes twice"),
        ("  a: {masks: [}", "is no YAML"),
        ("  a: {pair: list}", "file is missing, expected a JSON file of pairs"),
        ("  a: {masks: a, holds: {when: x, then: logits}}", "when: 'x': expected one of the file's quirks (none)"),
        (
            "  a: {masks: a, holds: logits, threshold: 0.4}\n  v: {vote: mean, of: [a]}",
            "threshold means nothing where a vote (v)",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(steps, message):
    with pytest.raises(InputError, match=re.escape(message)):
        parse(steps)


def test_other_parts_of_the_file_are_checked_as_well():
    for top, message in (
        ("data: {layout: davis}", "data: layout: 'davis'"),
        ("quirks: {q: {active: 3, about: x}}", "active: 3, expected true or false"),
        ("quirks: {q: {}}", "about is missing"),
        ("models: {m: {weights: x}}", "model m: model is missing"),
        ("modells: {}", "modells is not known here"),
    ):
        with pytest.raises(InputError, match=re.escape(message)):
            parse(A_AND_B, top=top)
    for content, message in (
        ("[1]", "expected names with values, got \\[1\\]"),
        ("", "expected names with values, got nothing"),
        ("title: x", "steps is missing"),
    ):
        with pytest.raises(InputError, match=message):
            parse_pipeline(content, "file.yaml")
    with pytest.raises(InputError, match="steps: there is none"):
        parse_pipeline("steps: {}", "file.yaml")
    with pytest.raises(InputError, match=r"no such pipeline file.* it has: iccv2023"):
        load_pipeline("nothing.yaml")
    with pytest.raises(InputError, match="there is no step 'x' in"):
        parse(A_AND_B).up_to(["x"])


def test_quirks_and_models_are_switched_from_outside():
    assert parse_pipeline(PIPELINE, "f").steps["first"].alone.take == "one"
    other = parse_pipeline(PIPELINE, "f", quirks={"lone": False}, models={"follower": "starter"}, weights={})
    assert other.steps["first"].alone.take == ""
    assert other.steps["carried"].model.model == "starter"
    assert other.identity != parse_pipeline(PIPELINE, "f").identity
    for given, message in (
        ({"quirks": {"odd": True}}, "has no such quirk; it has: lone"),
        ({"models": {"odd": "x"}}, "--model odd: f names no such model; it names: follower"),
        ({"weights": {"odd": "x"}}, "--weights odd"),
    ):
        with pytest.raises(InputError, match=message):
            parse_pipeline(PIPELINE, "f", **given)


@pytest.mark.parametrize("name", sorted(shipped()))
def test_shipped_pipelines_are_whole_with_every_quirk_on_or_off(name):
    published = load_pipeline(name)
    assert published.wanted()[-1] == "submission"
    assert text_of(name).startswith("title:")
    for quirk in published.quirks:
        assert load_pipeline(name, quirks={quirk: False}).identity != published.identity, quirk
    for some in itertools.islice(itertools.combinations(published.quirks, 2), 60):
        load_pipeline(name, quirks=dict.fromkeys(some, False))


def test_every_quirk_of_the_challenge_is_named():
    assert list(load_pipeline("iccv2023").quirks) == [
        "pair-by-position",
        "double-sigmoid",
        "lone-unfused",
        "lone-needs-more",
        "key-by-first-member",
        "key-by-rounding",
        "mutr-two-sizes",
        "kept-memory",
        "open-identities",
        "empty-key-copied",
    ]
    assert not load_pipeline("iccv2023-mended").quirks


def test_settings_may_be_merged_and_written_once():
    top = "quirks: {q: {about: x}}"
    found = parse(
        "  a: &all {masks: a, threshold: 0.4, holds: logits}\n  b: {<<: *all, threshold: 0.6}\n"
        "  2023-01-01: {masks: {when: q, then: x, else: y}}",
        top=top,
    )
    assert found.steps["b"].threshold == 0.6
    assert found.steps["b"].holds == "logits"
    assert found.steps["2023-01-01"].path == "x"
    with pytest.raises(InputError, match=r"line 3 is no YAML: .* is no name"):
        parse("  ? [a, b]\n  : {masks: a}")
    with pytest.raises(InputError, match=re.escape("when: ['q']: expected one of the file's quirks (q)")):
        parse("  a: {masks: {when: [q], then: x}}", top=top)
