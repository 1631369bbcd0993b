"""What OVSeg is trained by: losses of proposals, and steps of CLIP's fine-tuning."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from PIL import Image
from tests.ovseg.tiny import tiny_network
from torch.nn import functional as F

from singleout.systems.ovseg.adapting import (
    BACKGROUND,
    SETTINGS,
    Adapter,
    Batch,
    augmented,
    contrastive_loss,
    for_training,
)
from singleout.systems.ovseg.losses import Output, Target, losses_of, match, total


def batch(num: int = 4) -> Batch:
    dice = torch.Generator().manual_seed(1)
    masks = torch.zeros(num, 32, 32, dtype=torch.bool)
    masks[:, :20, :20] = True
    return Batch(torch.randn(num, 3, 32, 32, generator=dice), masks, [[190, row + 3, 191] for row in range(num)])


@pytest.mark.parametrize("trained", ["images", "prompts", "both"])
def test_only_what_is_meant_changes_and_the_loss_falls(trained):
    clip = tiny_network().clip
    before = copy.deepcopy(clip.state_dict())
    adapter = Adapter(clip, SETTINGS[trained])
    for group in adapter.optimizer.param_groups:
        group["lr"] = 0.005
    losses = [adapter.step(batch()) for _ in range(6)]
    assert losses[-1] < losses[0]
    changed = {name for name, tensor in clip.state_dict().items() if not torch.equal(tensor, before[name])}
    images = {name for name in before if name.startswith("images.")}
    prompts = {"images.mask_embedding"}
    wanted = {"images": images - prompts, "prompts": prompts, "both": images}[trained]
    assert changed - {"logit_scale"} == wanted


def test_a_step_is_that_of_plain_adamw():
    clip, given = tiny_network().clip, batch()
    plain = copy.deepcopy(clip).requires_grad_(False)
    Adapter(clip, SETTINGS["both"]).step(given)
    trained = {name: one for name, one in plain.named_parameters() if name.startswith("images.")}
    trained["logit_scale"] = plain.logit_scale
    for one in trained.values():
        one.requires_grad_(True)
    images = F.normalize(plain.images(given.pictures, given.masks), dim=-1)
    texts = F.normalize(plain.text.texts(given.tokens), dim=-1)
    logits = plain.logit_scale.exp() * images @ texts.t()
    own = torch.arange(len(logits))
    ((F.cross_entropy(logits, own) + F.cross_entropy(logits.t(), own)) / 2).backward()
    for name, one in trained.items():
        prompts = name.endswith("mask_embedding")
        decay = 0.0 if one.ndim < 2 or prompts else 0.2
        rate = 0.05 if prompts else 5e-6
        # The first step of Adam goes by the sign of the gradient.
        stepped = one * (1 - rate * decay) - rate * one.grad / (one.grad.abs() + 1e-6)
        torch.testing.assert_close(dict(clip.named_parameters())[name], stepped, rtol=1e-5, atol=1e-6)


def test_rates_grow_and_fall():
    adapter = Adapter(tiny_network().clip, SETTINGS["both"])
    rates = []
    for step in (0, 99, 100, 550, 999):
        adapter.set_rates(step, 1000)
        rates.append([group["lr"] / group["base"] for group in adapter.optimizer.param_groups])
    assert np.allclose([row[0] for row in rates], [0.01, 1, 1, 0.5, 0], atol=1e-4)
    assert all(np.allclose(row, row[0]) for row in rates)


def test_a_pair_is_pulled_together():
    images, texts = torch.eye(3), torch.eye(3)
    assert contrastive_loss(images, texts, 100.0) < 1e-6 < contrastive_loss(images, texts.flip(0), 100.0)


@pytest.mark.parametrize("size", [(40, 90), (90, 40), (32, 32), (1, 1), (3, 200)])
def test_background_is_known_by_its_colour(size):
    pixels = np.full((*size, 3), BACKGROUND, np.uint8)
    pixels[: max(size[0] // 2, 1)] = (200, 10, 10)
    for picture, inside in (
        for_training(Image.fromarray(pixels), 32),
        augmented(Image.fromarray(pixels), 32, np.random.default_rng(0)),
    ):
        assert picture.shape == (3, 32, 32) and inside.shape == (32, 32)
        assert inside[0].all()
        assert size == (1, 1) or not inside[-1].any()


def test_proposals_are_matched_and_losses_fall_along_their_gradient():
    dice = torch.Generator().manual_seed(3)
    truth = torch.zeros(2, 16, 24)
    truth[0, :8], truth[1, 8:] = 1, 1
    target = Target(torch.tensor([1, 3]), truth)
    masks = torch.stack([truth[1] * 20 - 10, truth[0] * 20 - 10, torch.full((16, 24), -9.0)])
    classes = torch.randn(3, 5, generator=dice)
    assert match(classes, masks, target).tolist() == [1, 0]
    outputs = [Output((classes / (layer + 1))[None].requires_grad_(), masks[None].requires_grad_()) for layer in (0, 1)]
    loss = total(losses_of(outputs, [target]))
    loss.backward()
    assert all(one.classes.grad.abs().sum() > 0 for one in outputs)
    better = [Output(one.classes - 0.5 * one.classes.grad, one.masks) for one in outputs]
    assert total(losses_of(better, [target])) < loss


def test_a_picture_without_objects_has_losses_too():
    none = Target(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 8, 8))
    output = Output(torch.zeros(1, 3, 5), torch.zeros(1, 3, 4, 4).requires_grad_())
    (found,) = losses_of([output], [none])
    assert float(found["mask"]) == float(found["dice"]) == 0
    assert torch.isfinite(total([found]))
