"""UniVS's checkpoints as files: which of two models is taken, what training starts from, and files that do not fit."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.univs.learning import TINY, tiny_network

from singleout.errors import InputError
from singleout.systems.univs.checkpoint import begin_with_mask2former, convert_names, has_teacher, load_network
from singleout.systems.univs.config import VARIANTS
from singleout.systems.univs.network import UniVSNetwork
from singleout.systems.univs.system import SYSTEM
from singleout.zoo.catalogue import find_checkpoint
from singleout.zoo.loading import open_weights
from singleout.zoo.reading import read_weights

PREDICTOR = "sem_seg_head.predictor."
QUERIES = f"{PREDICTOR}query_feat.weight"


def official_names(network: UniVSNetwork) -> dict[str, str]:
    """The official name of each tensor of a network with a ResNet, put together by hand."""
    names = {}
    for ours in network.state_dict():
        parts = ours.split(".")
        if parts[0] == "backbone":
            names[ours] = _of_backbone(parts[1:])
        elif parts[0] == "pixel_decoder":
            names[ours] = "sem_seg_head.pixel_decoder." + _of_pixel_decoder(".".join(parts[1:]))
        else:
            names[ours] = PREDICTOR + _of_predictor(ours)
    return names


def _of_backbone(parts: list[str]) -> str:
    if parts[0] in ("conv1", "bn1"):
        return f"backbone.stem.conv1.{'norm.' if parts[0] == 'bn1' else ''}{parts[1]}"
    stage, block, part, rest = f"res{int(parts[0][-1]) + 1}", parts[1], parts[2], parts[3:]
    if part == "downsample":
        return f"backbone.{stage}.{block}.shortcut.{'norm.' if rest[0] == '1' else ''}{rest[1]}"
    return f"backbone.{stage}.{block}.conv{part[-1]}.{'norm.' if part.startswith('bn') else ''}{rest[0]}"


def _of_pixel_decoder(name: str) -> str:
    for ours, official in (
        ("input_projections", "input_proj"),
        ("level_embedding", "transformer.level_embed"),
        ("encoder", "transformer.encoder"),
        ("lateral", "adapter_1"),
        ("output", "layer_1"),
    ):
        if name.startswith(ours):
            return official + name.removeprefix(ours)
    return name


def _of_predictor(name: str) -> str:
    layers = {
        "cross_attn": "transformer_cross_attention_layers.{}.multihead_attn",
        "cross_norm": "transformer_cross_attention_layers.{}.norm",
        "self_attn": "transformer_self_attention_layers.{}.self_attn",
        "self_norm": "transformer_self_attention_layers.{}.norm",
        **{part: f"transformer_ffn_layers.{{}}.{part}" for part in ("linear1", "linear2", "norm")},
    }
    parts = name.split(".")
    if name.startswith("decoder.layers."):
        return ".".join([layers[parts[3]].format(parts[2]), *parts[4:]])
    for ours, official in (
        ("decoder.prompt_layers", "transformer_prompt_self_attention_layers"),
        ("decoder.level_embedding", "level_embed.weight"),
        ("decoder.query_features", "query_feat.weight"),
        ("decoder.query_positions", "query_embed.weight"),
        ("decoder.norm", "decoder_norm"),
        ("decoder.mask_head", "mask_embed"),
        ("decoder.name_head", "vis2text_projection"),
        ("decoder.name_scale", "cls_temp.weight"),
        ("words.text_norm", "text_norm"),
        ("words.projection", "text2vis_projection"),
        ("words", "lang2vision_cross_attention_layer"),
        ("category_mark", "prompt_detection.weight"),
        ("sentence_mark", "prompt_grounding.weight"),
        ("visual_mark", "prompt_sot.weight"),
    ):
        if name.startswith(ours):
            return official + name.removeprefix(ours)
    raise AssertionError(name)


@pytest.fixture
def official():
    network = tiny_network()
    names = official_names(network)
    state = {names[ours]: tensor for ours, tensor in network.state_dict().items()}
    return state | {f"{PREDICTOR}reid_temp.weight": torch.zeros(1, 1)}


def with_teacher(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same with a second model, all of whose weights are one more."""
    return state | {name.replace(".", "_t.", 1): tensor + 1 for name, tensor in state.items()}


def test_official_names_become_ours(official):
    conversion = convert_names(official)
    assert conversion.ignored == (f"{PREDICTOR}reid_temp.weight",)
    loaded = load_network(TINY, conversion.state)
    for name, tensor in tiny_network().state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_either_of_two_models_can_be_taken(official):
    both = with_teacher(official)
    assert has_teacher(both)
    assert not has_teacher(official)
    student, teacher = convert_names(both), convert_names(both, "teacher")
    for name, tensor in tiny_network().state_dict().items():
        assert torch.equal(student.state[name], tensor), name
        assert torch.equal(teacher.state[name], tensor + 1), name
    assert sorted((*student.ignored, *teacher.ignored)) == sorted(
        (*both, f"{PREDICTOR}reid_temp.weight", "sem_seg_head_t.predictor.reid_temp.weight")
    )


def test_a_teacher_that_is_not_there_is_said_to_be_missing(official):
    with pytest.raises(InputError, match="no averaged weights"):
        convert_names(official, "teacher")


def test_weights_that_do_not_fit_are_refused(official):
    state = convert_names(official).state
    with pytest.raises(InputError, match="not the weights of this UniVS: 1 tensors do not fit"):
        load_network(TINY, state | {"decoder.strange": torch.zeros(1)})


@pytest.fixture
def mask2former(official, tmp_path):
    """A file as detectron2 writes it: pickled arrays, fewer queries under their old name, and a head for classes."""
    arrays = {name: tensor.numpy() for name, tensor in official.items() if "prompt" not in name and "text" not in name}
    for name in ("cls_temp.weight", "reid_temp.weight"):
        del arrays[PREDICTOR + name]
    arrays = {name: array for name, array in arrays.items() if "lang2vision" not in name}
    arrays[f"{PREDICTOR}static_query.weight"] = arrays.pop(QUERIES)[:4]
    arrays[f"{PREDICTOR}query_embed.weight"] = arrays[f"{PREDICTOR}query_embed.weight"][:4]
    arrays[f"{PREDICTOR}class_embed.weight"] = np.zeros((134, TINY.width), np.float32)
    arrays["criterion.empty_weight"] = np.ones(134, np.float32)
    file = tmp_path / "model_final.pkl"
    file.write_bytes(pickle.dumps({"model": arrays, "__author__": "Mask2Former"}))
    return file


def test_training_starts_from_a_pickled_mask2former(mask2former, official):
    begin = begin_with_mask2former(TINY, read_weights(mask2former).state)
    assert begin.unknown == ()
    assert sorted(begin.ignored) == ["criterion.empty_weight", f"{PREDICTOR}class_embed.weight"]
    # Fewer learnable queries than ours: they start at random, as in the authors' own training.
    assert {"decoder.query_features", "decoder.query_positions", "visual_mark"} <= set(begin.new)
    network = tiny_network(seed=1)
    missing = network.load_state_dict(begin.state, strict=False)
    assert sorted(missing.missing_keys) == sorted(begin.new)
    assert missing.unexpected_keys == []
    assert torch.equal(network.pixel_decoder.lateral.weight, tiny_network().pixel_decoder.lateral.weight)


def test_queries_are_taken_where_there_are_as_many(mask2former):
    state = read_weights(mask2former).state
    wide = torch.ones(TINY.num_queries, TINY.width)
    begin = begin_with_mask2former(TINY, state | {f"{PREDICTOR}static_query.weight": wide})
    assert torch.equal(begin.state["decoder.query_features"], wide)


def test_a_mask2former_with_another_backbone_is_refused(mask2former):
    with pytest.raises(InputError, match="not a Mask2Former with the backbone of this UniVS"):
        begin_with_mask2former(VARIANTS["r50"], read_weights(mask2former).state)


def test_files_of_others_are_not_taken_for_ours(official):
    shapes = {name: tuple(tensor.shape) for name, tensor in official.items()}
    # A ResNet-18 was never published.
    assert SYSTEM.recognise(shapes) is None
    assert SYSTEM.recognise({"class_embed.0.weight": (1, 256)}) is None
    for variant, config in (("r18", {}), ("r50", {"num_queries": 0}), ("r50", {"strange": 1})):
        with pytest.raises(InputError, match="UniVS"):
            SYSTEM.build(variant, config)


def test_the_catalogue_knows_both_models_of_a_file():
    trained, averaged = find_checkpoint("univs/swin-l"), find_checkpoint("univs/swin-l-ema")
    assert (trained.variant, averaged.variant) == ("swin-l", "swin-l-ema")
    assert trained.path == averaged.path


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A complete file of the third stage: each tensor is one number, seen from everywhere, so that it stays small."""
    with torch.device("meta"):
        network = UniVSNetwork(VARIANTS["r50"])
    shapes = {official: network.state_dict()[ours].shape for ours, official in official_names(network).items()}
    student = {name: torch.full((1,), 0.25).expand(shape) for name, shape in shapes.items()}
    teacher = {name.replace(".", "_t.", 1): torch.full((1,), 0.5).expand(shape) for name, shape in shapes.items()}
    file = tmp_path_factory.mktemp("univs") / "stage3.pth"
    torch.save({"model": student | teacher, "iteration": 10}, file)
    return file


@pytest.mark.parametrize(("variant", "value"), [(None, 0.25), ("r50", 0.25), ("r50-ema", 0.5)])
def test_a_file_is_opened_as_the_variant_that_is_asked_for(published, variant, value):
    opened = open_weights(published, system=SYSTEM, variant=variant)
    assert opened.variant == (variant or "r50")
    assert opened.config == {"num_queries": 200, "text_width": 640}
    values = {float(tensor.flatten()[0]) for tensor in opened.network.state_dict().values()}
    assert values == {value}


def test_a_file_of_another_size_is_not_opened(published):
    with pytest.raises(InputError, match="holds UniVS as r50, not as swin-t"):
        open_weights(published, system=SYSTEM, variant="swin-t")


def damaged(file: Path, folder: Path, **changed: object) -> Path:
    """The file with tensors changed, or left out where they are None."""
    state = torch.load(file, weights_only=True)["model"]
    for name, value in json.loads(json.dumps(changed)).items():
        if value is None:
            del state[name]
        else:
            state[name] = torch.zeros(value)
    where = folder / "damaged.pth"
    torch.save({"model": state}, where)
    return where


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({f"{PREDICTOR}decoder_norm.weight": None}, "decoder.norm.weight"),
        ({f"{PREDICTOR}decoder_norm.weight": [3]}, "decoder.norm.weight"),
        ({QUERIES: None}, "is missing"),
        ({"sem_seg_head.strange.weight": [3]}, "sem_seg_head.strange.weight"),
    ],
    ids=["missing", "misshapen", "no queries", "unknown"],
)
def test_a_damaged_file_is_refused_in_one_line(published, tmp_path, changed, said):
    with pytest.raises(InputError, match=said) as refused:
        open_weights(damaged(published, tmp_path, **changed), system=SYSTEM)
    assert "\n" not in str(refused.value)
