"""What a clip says of objects that were there before it: their own prompts, learnable queries like them, or both."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from singleout.systems.univs.geometry import Geometry
from singleout.systems.univs.similarity import bi_softmax, boxes_of, consistency, likeness
from singleout.systems.univs.values import Decoded

_CONSISTENT = 0.5  # cosine that a prompt must keep to what is remembered of its object
_LIKE, _SOFTLY_LIKE = 0.65, 0.5  # similarity that a learnable query must have, by cosine and by two softmaxes
_AGREEING = 0.5  # IoU of both masks from which on both count


@dataclass(frozen=True)
class Heard:
    """masks: (num, time, h, w) logits at stride 4. embeds: (num, time, width). boxes: (num, time, 4), in shares.

    sharp, alike: (num,), of the masks, and to what is remembered. sure: (num,) bool, whether it is the object at all.
    """

    masks: Tensor
    embeds: Tensor
    boxes: Tensor
    sharp: Tensor
    alike: Tensor
    sure: Tensor

    @property
    def weight(self) -> Tensor:
        """The similarity of those that are sure, 0 of the others."""
        return self.alike * self.sure


def by_prompts(stored: Tensor, masks: Tensor, embeds: Tensor, sharp: Tensor) -> Heard:
    """What the prompts of the objects say. stored: (num, steps, width), what is remembered."""
    alike = consistency(stored, embeds)
    return Heard(masks, embeds, boxes_of(masks > 0), sharp, alike, alike > _CONSISTENT)


def by_learnable(stored: Tensor, decoded: Decoded, geometry: Geometry, *, softly: bool) -> Heard:
    """What those learnable queries say that are most like the objects, another one for each.

    softly: by two softmaxes and not by cosines, as the published code does for panoptic objects.
    """
    embeds = decoded.embeds[: decoded.num_learnable]
    if softly:
        alike = bi_softmax(stored, embeds.mean(1, keepdim=True) / embeds.shape[-1] ** 0.5)
    else:
        alike = likeness(stored, embeds)
    rows, columns = (
        torch.as_tensor(one, device=alike.device) for one in linear_sum_assignment(1 - alike.cpu().numpy())
    )
    chosen = torch.zeros(len(stored), dtype=torch.int64, device=alike.device)
    found = torch.zeros(len(stored), device=alike.device)
    chosen[rows], found[rows] = columns, alike[rows, columns]
    masks = decoded.masks(chosen)
    sure = found >= (_SOFTLY_LIKE if softly else _LIKE)
    return Heard(masks, embeds[chosen], boxes_of(masks > 0), geometry.sharpness(masks), found, sure)


def by_both(prompts: Heard, learnable: Heard, geometry: Geometry, *, corrected: bool) -> Heard:
    """The mean of both by similarity where their masks agree, else what the prompts say.

    corrected: where a prompt is not sure of its object, what a learnable query says that is; in the published code the
    object is then lost.
    """
    total = prompts.weight + learnable.weight
    alike = total / (prompts.sure.float() + learnable.sure.float()).clamp(min=1)
    share = prompts.weight / total.clamp(min=1e-5)
    apart = _overlaps(prompts, learnable, geometry) < _AGREEING
    if corrected:
        apart &= prompts.sure
    share = share.where(~apart, 1.0)
    of_prompts = share * prompts.sure
    of_learnable = (1 - share) * learnable.sure

    def mix(one: Tensor, other: Tensor) -> Tensor:
        shape = (-1, *[1] * (one.dim() - 1))
        return of_prompts.view(shape) * one + of_learnable.view(shape) * other

    masks = mix(prompts.masks, learnable.masks)
    # What was filled up around the picture counts here, as published.
    sharp = geometry.sharpness(masks, padded=True)
    boxes, embeds = mix(prompts.boxes, learnable.boxes), mix(prompts.embeds, learnable.embeds)
    return Heard(masks, embeds, boxes, sharp, alike, (of_prompts + of_learnable) > 0)


def _overlaps(one: Heard, other: Heard, geometry: Geometry) -> Tensor:
    """IoU of both masks over all frames, 0 where either is not sure: (num,)."""
    found = []
    for row, sure in enumerate((one.sure & other.sure).tolist()):
        both = union = 0
        for place in range(one.masks.shape[1] if sure else 0):
            _, part = geometry.enlarge_part(torch.stack([one.masks[row, place], other.masks[row, place]]))
            mine, yours = part > 0
            both += int((mine & yours).sum())
            union += int((mine | yours).sum())
        found.append(both / max(union, 1))
    return torch.tensor(found, device=one.alike.device)
