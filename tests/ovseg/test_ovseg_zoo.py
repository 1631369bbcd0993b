"""What loading OVSeg from the zoo brings along: the terms of its weights, and vectors of names that stay."""

from __future__ import annotations

import pytest
import torch
from tests.ovseg.tiny import tiny_network
from tests.text_towers import write_letters

from singleout.errors import InputError
from singleout.systems.catalog import HoldsTower
from singleout.systems.ovseg.checkpoint import CLIP, convert_names, put_clip
from singleout.systems.ovseg.system import SYSTEM
from singleout.zoo.catalogue import checkpoints
from singleout.zoo.loading import Opened
from singleout.zoo.report import LoadReport


def test_terms_are_told_and_names_are_kept_on_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("SINGLEOUT_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "weights.pth"
    file.write_bytes(b"any content, of which a digest is taken")
    letters = write_letters(tmp_path / "letters")
    opened = Opened(SYSTEM, "r101c", {}, tiny_network(), LoadReport((), (), (), (), ()), file, letters)
    assert isinstance(SYSTEM, HoldsTower)
    with pytest.warns(UserWarning, match=r"OVSeg are CC BY-NC 4\.0"):
        first = opened.segmenter()
    rows = first.rows(["cat", "dog"])
    kept = sorted((tmp_path / "cache" / "embeddings").rglob("*.npy"))
    assert len(kept) == 2
    with pytest.warns(UserWarning):
        again = opened.segmenter()
    again.network.clip.text.projection.zero_()  # nothing is asked of the tower any more
    torch.testing.assert_close(again.rows(["cat", "dog"]), rows)


def test_every_published_model_is_a_variant_that_can_be_run():
    models = [one for one in checkpoints() if one.system == "ovseg" and one.kind == "model"]
    assert len(models) == 3
    assert {one.variant for one in models} == set(SYSTEM.variants())
    assert {one.variant for one in models if one.default} == set(SYSTEM.variants())


def official(names: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    return {name: torch.full(shape, float(place)) for place, (name, shape) in enumerate(names.items())}


def test_files_from_before_heads_had_parts_are_read():
    old = {"sem_seg_head.layer_1.weight": (2, 2, 1, 1), "sem_seg_head.predictor.query_embed.weight": (3, 2)}
    assert set(convert_names(official(old)).state) == {"pixel_decoder.outputs.0.weight", "decoder.query_positions"}
    new = {"sem_seg_head.pixel_decoder.layer_1.weight": (2, 2, 1, 1)}
    assert set(convert_names(official(new)).state) == {"pixel_decoder.outputs.0.weight"}


def test_a_tuned_clip_is_put_into_a_model():
    state = official({f"{CLIP}visual.proj": (2, 2), f"{CLIP}visual.mask_embedding": (3, 4, 2), "backbone.x": (1,)})
    tuned = {"module.visual.proj": torch.full((2, 2), 9.0).half(), "input_resolution": torch.tensor(224)}
    found = put_clip(state, tuned)
    assert found[f"{CLIP}visual.proj"].dtype == torch.float32 and found[f"{CLIP}visual.proj"].eq(9).all()
    assert torch.equal(found[f"{CLIP}visual.mask_embedding"], state[f"{CLIP}visual.mask_embedding"])
    with pytest.raises(InputError, match=r"visual\.proj has no tensor of shape"):
        put_clip(state, {"visual.proj": torch.zeros(5, 5)})


def test_wrong_configurations_are_refused():
    with pytest.raises(InputError, match="no variant"):
        SYSTEM.build("swin-t", {})
    with pytest.raises(InputError, match="takes num_queries and prompt_depth"):
        SYSTEM.build("r101c", {"num_queries": 0})
