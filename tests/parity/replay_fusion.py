"""The fusion that won the ICCV 2023 challenge: the shipped pipeline ``iccv2023``, run whole on a golden's members."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from tests.parity.goldens import CannotReplayError, Comparison, Context, Golden, spec_of

from singleout.fusion.board import Board
from singleout.fusion.pipeline import Pipeline, load_pipeline
from singleout.fusion.running import read_videos, run
from singleout.fusion.steps.key_frames import keys_in
from singleout.fusion.store import reading
from singleout.fusion.tools import Tools

PART = "fusion"
_STUB = "tests.parity.fusion_stub:ShiftRight"
_MODELS = {"soc": "logits", "mutr": "logits", "referformer_ft": "logits"}
_MODELS |= {"vit_huge": "probabilities", "convnext": "probabilities"}
# What the golden calls a stage, and the step that it is in the pipeline.
_STAGES = {
    "annotations/soc": "soc",
    "annotations/mutr": "mutr",
    "annotations/referformer_ft": "referformer_ft",
    "annotations/vit_huge": "vit-huge",
    "annotations/convnext": "convnext",
    "round1/soc_mutr_referft": "group-a",
    "round1/vit_convnext_soc": "group-b",
    "aot/soc": "soc-aot",
    "aot/mutr": "mutr-aot",
    "aot/referformer_ft": "referformer_ft-aot",
    "aot/soc_mutr_referft": "group-a-aot",
    "deaot/vit-huge": "vit-huge-deaot",
    "deaot/convnext": "convnext-deaot",
    "deaot/referformer_ft": "referformer_ft-deaot",
    "deaot/vit_convnext_soc": "group-b-deaot",
    "round2/en2": "round-1",
    "round2/final": "round-2",
}
_KEYS = {"soc_mutr_referft": "group-a-keys", "vit_convnext_soc": "group-b-keys"}


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    return {"videos", "key_frames", "propagation", "logits"} <= spec_of(path).keys()


def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    for model, holds in _MODELS.items():
        if model not in golden.spec[holds]:
            raise CannotReplayError(f"{model} is not among the models that hold {holds}")
    stages = {"/".join(name.split("/")[:2]) for name in golden.names() if not name.startswith("in/")}
    if strange := stages - _STAGES.keys():
        raise CannotReplayError(f"unknown stage {min(strange)}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _write_data(golden.spec, folder / "data")
        _write_members(golden, folder / "members")
        board = _run(folder)
        yield from _stages(golden, board, sorted(stages))
        yield from _keys(golden.spec, board)
        yield from _submission(golden, folder / "out")


def _run(folder: Path) -> Board:
    # The golden's members come from one run each, so that MUTR's two sizes are one.
    quirks = {"mutr-two-sizes": False}
    pipeline = load_pipeline("iccv2023", quirks=quirks, models={"aot": _STUB, "deaot": _STUB})
    videos = read_videos(pipeline, folder / "data")
    board = Board(pipeline, videos, folder / "out", Tools(pipeline.layout, folder / "members"))
    run(board, _steps(pipeline))
    return board


def _steps(pipeline: Pipeline) -> list[str]:
    return pipeline.up_to([*pipeline.wanted(), "convnext-deaot"])


def _stages(golden: Golden, board: Board, stages: list[str]) -> Iterator[Comparison]:
    for stage in stages:
        step = board.pipeline.steps[_STAGES[stage]]
        for video in board.videos:
            with reading(board.product(step, video)) as masks:
                for sentence in masks.clip.sentences:
                    frames = [masks.mask(sentence, frame) for frame in range(len(masks.clip.frames))]
                    yield golden.compare(f"{stage}/{video.name}/{sentence}", np.stack(frames))


def _keys(spec: Mapping[str, Any], board: Board) -> Iterator[Comparison]:
    for folder, videos in spec["key_frames"].items():
        step = board.pipeline.steps[_KEYS.get(folder, f"{folder}-keys")]
        found = {video.name: keys_in(board.product(step, video)) for video in board.videos}
        for video, sentences in videos.items():
            for sentence, entry in sentences.items():
                ours = found[video][sentence]
                yield Comparison(f"key_frames/{folder}/{video}/{sentence}", ours, entry["index_info"]["class_index"])


def _submission(golden: Golden, out: Path) -> Iterator[Comparison]:
    """The pictures in the archive are the last stage's masks, and there are no others."""
    with zipfile.ZipFile(out / "submission" / "submission.zip") as packed:
        names = packed.namelist()
        wanted = 0
        for video, entry in golden.spec["videos"].items():
            for sentence in entry["expressions"]:
                name = f"round2/final/{video}/{sentence}"
                if name not in golden:
                    continue
                pictures = [
                    _picture(packed.read(f"Annotations/{video}/{sentence}/{frame}.png")) for frame in entry["frames"]
                ]
                wanted += len(pictures)
                yield Comparison(f"submission/{video}/{sentence}", np.stack(pictures), 255 * golden.input(name))
    yield Comparison("submission/number of pictures", len(names), wanted)


def _picture(content: bytes) -> npt.NDArray[np.uint8]:
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture)


def _write_data(spec: Mapping[str, Any], root: Path) -> None:
    """The golden's videos as a data set; what its frames show plays no part."""
    videos = {}
    for name, entry in spec["videos"].items():
        folder = root / "test" / "JPEGImages" / name
        folder.mkdir(parents=True)
        for frame in entry["frames"]:
            Image.new("RGB", (entry["width"], entry["height"])).save(folder / f"{frame}.jpg")
        sentences = {str(key): {"exp": f"sentence {key}"} for key in entry["expressions"]}
        videos[name] = {"frames": entry["frames"], "expressions": sentences}
    meta = root / "meta_expressions" / "test" / "meta_expressions.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"videos": videos}))


def _write_members(golden: Golden, folder: Path) -> None:
    """The members' files; those of models that the golden shows in parts as parts."""
    (folder / "model_pth").mkdir(parents=True)
    for place, model in enumerate(_MODELS):
        content = {video: _member(golden, model, video) for video in golden.spec["videos"]}
        target = folder / "model_pth" / f"{model}.pth"
        parts = golden.spec.get("splits", {}).get(model)
        if parts is None or place:
            torch.save(content, target)
            continue
        target.mkdir()
        for part, videos in parts.items():
            torch.save({video: content[video] for video in videos}, target / part)


def _member(golden: Golden, model: str, video: str) -> dict[str, Any]:
    found = {}
    for sentence in golden.spec["videos"][video]["expressions"]:
        masks = torch.from_numpy(golden.input(f"in/{model}/{video}/{sentence}/mask"))
        scores = [float(value) for value in golden.input(f"in/{model}/{video}/{sentence}/score")]
        found[str(sentence)] = {"mask_logits": masks, "class_info": scores}
    return found
