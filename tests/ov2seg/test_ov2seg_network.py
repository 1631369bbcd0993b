"""OV2Seg's network: frames by themselves, heads, and names as directions."""

from __future__ import annotations

import pytest
import torch
from tests.ov2seg.tiny import TINY, tiny_network

from singleout.errors import InputError
from singleout.nn.mask2former.names import PREDICTOR
from singleout.systems.catalog import find_system
from singleout.systems.ov2seg import SYSTEM
from singleout.systems.ov2seg.values import directions, name_logits


@pytest.fixture(scope="module")
def network():
    return tiny_network()


@pytest.fixture(scope="module")
def frames():
    return torch.randn(3, 3, 64, 96, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def test_a_frame_is_seen_the_same_alone_and_with_others(network, frames):
    together = network(frames)
    for place, seen in enumerate(together):
        (alone,) = network(frames[place : place + 1])
        for name in ("embeds", "objects", "spoken", "mask_embeds", "finest"):
            # Workers have other numbers of threads, which add up in another order.
            torch.testing.assert_close(getattr(alone, name), getattr(seen, name), atol=1e-4, rtol=1e-4)


def test_gradients_or_not_the_result_is_the_same(network, frames):
    with torch.no_grad():
        quick = network(frames)
    slow = network(frames)
    for one, other in zip(quick, slow, strict=True):
        torch.testing.assert_close(one.spoken, other.spoken, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(one.masks(), other.masks(), atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_every_head_adds_the_earlier_ones_and_changes_nothing(network, frames):
    (plain,), (whole,) = network(frames[:1]), network(frames[:1], every_head=True)
    assert not plain.earlier
    assert len(whole.earlier) == TINY.decoder_layers
    torch.testing.assert_close(whole.embeds, plain.embeds)
    assert whole.masks(slice(0, 2), head=whole.earlier[0]).shape == (2, 16, 24)


def test_frames_of_other_sizes_are_refused(network):
    with pytest.raises(ValueError, match="multiples of 32"):
        network(torch.zeros(1, 3, 64, 90))


def test_the_length_of_a_row_means_nothing_and_a_row_of_zeros_has_no_say():
    spoken, rows = torch.randn(4, 8), torch.randn(3, 8)
    torch.testing.assert_close(name_logits(spoken, 7 * rows, 50.0), name_logits(spoken, rows, 50.0))
    assert name_logits(spoken, torch.zeros(1, 8), 50.0).eq(0).all()
    assert directions(torch.zeros(2, 8)).eq(0).all()


def test_the_system_is_known_and_has_both_sizes():
    assert find_system("ov2seg") is SYSTEM
    assert SYSTEM.variants() == ("resnet-50", "swin-b")


def test_a_stored_table_of_names_is_never_taken_over():
    state = {
        f"{PREDICTOR}class_embed.zs_weight": torch.zeros(512, 1204),
        f"{PREDICTOR}class_embed.linear.2.weight": torch.zeros(512, 256),
        "backbone.base.bn1.num_batches_tracked": torch.tensor(3),
        "criterion.freq_weight": torch.zeros(1203),
    }
    conversion = SYSTEM.convert_names(state)
    assert set(conversion.state) == {"decoder.name_head.layers.1.weight"}
    assert len(conversion.ignored) == 3


@pytest.mark.parametrize("config", [{"num_queries": 0}, {"text_width": "wide"}, {"colour": 3}])
def test_a_broken_configuration_is_refused(config):
    with pytest.raises(InputError, match="numbers from 1 on"):
        SYSTEM.build("resnet-50", config)


def test_an_unknown_size_is_refused():
    with pytest.raises(InputError, match="no variant 'swin-t'"):
        SYSTEM.build("swin-t", {})
