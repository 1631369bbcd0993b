"""One look at a frame for everything that is asked by words: candidates, and the maps by which they are judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor
from torch.nn import functional as F

from singleout.systems.starter.colors import color_map, to_lch
from singleout.systems.starter.engine import Engine
from singleout.systems.starter.find import Candidate, SeedMap, find_candidates
from singleout.systems.starter.judge import Evidence, see
from singleout.systems.starter.motion import motion_map
from singleout.systems.starter.namer import Namer
from singleout.systems.starter.network import Features
from singleout.systems.starter.requests import Requests
from singleout.systems.starter.view import View

NEAR = 3  # frames between those by which motion is told
SEED_LEVEL = 0.9  # share of the threshold from which on a region is looked at closely
STANDS_OUT = 0.5  # score from which on there is something, whatever it may be called
MOVING = 0.3  # share of the strongest moving place of a noun down to which its region reaches
MOVES = 0.12  # strength of the strongest place below which nothing of a noun moves
LIKELY = 0.25  # score of such a thing down to which its region reaches
SUPPORT = 0.1  # classifier's probability of a thing that it knows well, below which its word counts less
# Weight of the classifier's logit of each place, less its USUAL value and not below LEAST, beside that of the pixels.
# It clears walls and bicycles of "car"; in driving videos, where all is near cars, it costs a little of their outline.
SECONDED, USUAL, LEAST = 0.3, -2.5, -4.0
DOUBT, CONTRARY = 0.25, 0.6  # classifier's probability of a contrary from which on a word counts less, and not at all


@dataclass(frozen=True)
class Look:
    """What was seen in a frame that was looked at closely; its features are kept, so that it is encoded once.

    picture: (1, 3, height, width) uint8. scores: (num_texts, height/4, width/4). colors and motion:
    (height/4, width/4), 0 to 1.
    """

    frame: int
    picture: Tensor
    features: Features
    candidates: list[Candidate]
    scores: Tensor
    colors: Mapping[str, Tensor]
    motion: Tensor


class Spotter:
    """Looks at frames for the requests of one run."""

    def __init__(self, engine: Engine, view: View, requests: Requests, namer: Namer) -> None:
        self.engine, self.view, self.requests, self.namer = engine, view, requests, namer
        self.vectors, self.offsets = requests.vectors.to(engine.device), requests.offsets.to(engine.device)
        # What is judged by its pixels, and by the classifier too.
        self.seconded = {head: classes for head, classes in requests.meant.items() if head in requests.contrary}
        namer.network.to(engine.device)

    def look(self, frame: int, picture: Tensor, neighbours: Sequence[Tensor]) -> Look:
        """picture: of `View.shrink`. neighbours: those a few frames away, by which motion is told."""
        network = self.engine.network
        near = [self.engine.encode(neighbour).local_key[0] for neighbour in neighbours]
        coarse = network.pixels(self.engine.encode(self.view.halve(picture)))
        features = self.engine.encode(picture)
        fine = network.pixels(features)
        # What is close to the camera is larger than things were in training; at half the size it is like them. Scores
        # are linear in the cells, so their mean is that of the two scales' logits.
        coarse = F.interpolate(coarse, fine.shape[-2:], mode="bilinear", align_corners=False)
        logits = network.word_logits((fine + coarse) / 2, self.vectors).float()
        if self.seconded:
            where = self.namer.spread(picture, list(self.seconded.values())).to(logits.device)
            where = F.interpolate(where[None], fine.shape[-2:], mode="bilinear", align_corners=False)
            logits[:, list(self.seconded)] += SECONDED * (where.clamp(1e-3, 1 - 1e-3).logit().clamp(min=LEAST) - USUAL)
        scores = (logits + self.offsets[:, None, None]).sigmoid()
        scores = F.interpolate(scores, self.view.mask_shape, mode="bilinear", align_corners=False)[0]
        motion = motion_map(features.local_key[0], near)
        motion = F.interpolate(motion[None, None], self.view.mask_shape, mode="bilinear", align_corners=False)[0, 0]
        here = to_lch(F.interpolate(picture.float() / 255, self.view.mask_shape, mode="area")[0])
        colors = {name: color_map(here, name).to(scores.device) for name in self.requests.colors}
        candidates = find_candidates(network, features, self._seed_maps(scores, colors, motion))
        return Look(frame, picture, features, candidates, scores, colors, motion)

    def judge(self, look: Look, ids: list[int], masks: Tensor, seen: dict[int, Evidence]) -> None:
        """Add what a frame tells of objects. masks: (num_objects, height/4, width/4) probabilities."""
        sights = {
            row: sight
            for row, mask in enumerate(masks.to(look.scores.device))
            if (sight := see(mask, look.scores, look.colors, look.motion)) is not None
        }
        if not sights:
            return
        names = self.namer.look(look.picture, masks[list(sights)])
        for (row, sight), probabilities in zip(sights.items(), names, strict=True):
            words = sight.words.copy()
            for head, classes in self.requests.meant.items():
                share = float(probabilities[classes].sum())
                by_pixels = head in self.requests.contrary
                words[head] = words[head] * min(1.0, share / SUPPORT) ** 0.5 if by_pixels else share
            bare = 1 - float(probabilities[self.requests.clothes].sum())
            for head, classes in self.requests.contrary.items():
                doubt = (bare * float(probabilities[classes].sum()) - DOUBT) / (CONTRARY - DOUBT)
                words[head] *= 1 - min(1.0, max(0.0, doubt))
            seen.setdefault(ids[row], Evidence()).sights[look.frame] = replace(sight, words=words)

    def _seed_maps(self, scores: Tensor, colors: Mapping[str, Tensor], motion: Tensor) -> list[SeedMap]:
        """Score maps of all nouns, and of where something moves or has a colour that is asked for."""
        listed = [request.head for request in self.requests.each if request.every and not request.named]
        rivals = scores[listed].amax(dim=0) if listed else None
        anything = scores[list(self.requests.standing_out)].amax(dim=0)
        seeds: dict[tuple[int, str], SeedMap] = {}
        for request in self.requests.each:
            if request.unknown:
                continue
            head = -1 if request.named else request.head
            score = anything if request.named else scores[request.head]
            level = STANDS_OUT if request.named else SEED_LEVEL * (request.threshold or float(score.max()))
            if request.every and rivals is not None and not request.named:
                # Of the names of a list, each place is given to the one that fits it best.
                score = score * (score >= rivals)
            moving = score * motion
            strongest = float(moving.flatten().quantile(0.995))
            if strongest > MOVES:
                # A crowd is one region of its noun; what moves in it is one of the crowd.
                seeds[head, "moving"] = SeedMap(moving, MOVING * strongest, score, first=True)
            # Things that score high on too much are outlined where they are sure, and reach as far as they are likely.
            grows = request.every and not request.named and float(self.offsets[request.head]) != 0
            reach = LIKELY if grows else None
            seeds[head, "listed" if request.every else ""] = SeedMap(score, level, reach=reach)
            if not request.every and not request.asked.plural:
                for name in sorted(request.colors):
                    seeds[head, name] = SeedMap(score * colors[name].sqrt(), level, score, part=True)
        return list(seeds.values())
