"""Which words fit which pixels: the questions that training asks, and what is known of their answers."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from singleout.systems.starter.words import Words
from tools.starter.atlas import GROUPS, Atlas
from tools.starter.scenes import Clips

NAMES = Path(__file__).parent / "names" / "names.json"
ALIKE = 0.55  # names whose vectors are closer than this are not used as each other's negatives
CCP = json.loads(NAMES.with_name("garments.json").read_text())


def class_names() -> dict[str, Any]:
    """The trained and held-out names of each class."""
    loaded: dict[str, Any] = json.loads(NAMES.read_text())
    return loaded


class Vocabulary:
    """Draws questions (names) for a batch and answers them from the label maps."""

    def __init__(self, atlas: Atlas, words: Words, seed: int) -> None:
        self.atlas = atlas
        self.dice = random.Random(seed + 1)
        self.device = atlas.people.pictures.device
        known = class_names()
        self.synonyms: list[list[str]] = []
        for index, name in enumerate(atlas.classes):
            synonyms = known.get(name, {}).get("names", [name]) if index < len(GROUPS) else [name]
            self.synonyms.append(list(synonyms))
        self.num_things = len(atlas.classes)
        for garment in atlas.garments:
            self.synonyms.append(list(known.get(garment, {}).get("names", [garment])))
        self.vectors = [
            torch.from_numpy(np.asarray(words.encode(synonyms))).to(self.device) for synonyms in self.synonyms
        ]
        means = F.normalize(torch.stack([vectors.mean(0) for vectors in self.vectors]), dim=1)
        self.alike = (means @ means.T > ALIKE).cpu()
        self.table = self.answers()

    @staticmethod
    def garment_names() -> list[str]:
        """CCP's names; index = label value."""
        return list(CCP)

    def answers(self) -> Tensor:
        """(num_questions, num_things) int8: whether a pixel of each thing class answers a question.

        1 yes, 0 no, -1 not known. Questions are the thing classes, then the garments.
        """
        group = {name: index for index, name in enumerate(GROUPS)}
        count = len(self.synonyms)
        table = torch.zeros(count, self.num_things, dtype=torch.int8)
        kinds = self.atlas.kinds
        street = list(range(group["sky"], len(GROUPS)))
        for question in range(count):
            row = table[question]
            row[self.alike[question, : self.num_things]] = -1
            row[group["void"]] = -1
            if question >= self.num_things:
                # Garments: unknown on people whose garments are not labelled (streets) and on sprites of people.
                row[group["person"]], row[group["cyclist"]] = -1, -1
                row[torch.tensor([kind in {"person", "clothing"} for kind in kinds])] = -1
                continue
            if question in street:
                row[group["unknown photo"]] = row[group["unknown street photo"]] = -1
                row[torch.tensor([kind in {"plant", "building", "vehicle"} for kind in kinds])] = -1
            if question >= len(GROUPS):
                row[group["unknown street photo"]] = 0 if kinds[question] in {"animal", "food"} else -1
                row[group["unknown photo"]] = -1 if kinds[question] in {"plant", "building"} else 0
                if kinds[question] in {"vehicle", "building", "plant"}:
                    row[torch.tensor(street)] = -1
                if kinds[question] in {"person", "clothing"}:
                    row[group["person"]] = row[group["cyclist"]] = -1
            row[question] = 1
        person, cyclist, car = group["person"], group["cyclist"], group["car"]
        table[person][torch.tensor([kind == "person" for kind in kinds])] = -1
        table[person, cyclist] = 1
        table[cyclist, person] = 0
        table[cyclist][torch.tensor([kind in {"person", "vehicle"} for kind in kinds])] = -1
        table[car][torch.tensor([kind == "car" for kind in kinds])] = 1
        table[car, group["unknown photo"]] = 0
        return table

    def questions(self, things: Tensor, parts: Tensor) -> tuple[Tensor, Tensor]:
        """things, parts: (frames, height, width) classes.

        Returns text vectors (num_questions, text_width) and answers (frames, num_questions, height, width) float,
        1, 0 or -1. The first two questions are always person and car.
        """
        shown = torch.bincount(things.flatten(), minlength=self.num_things).cpu()
        worn = torch.bincount(parts.flatten(), minlength=len(self.atlas.garments)).cpu()
        person, car = GROUPS.index("person"), GROUPS.index("car")
        asked = [person, car]
        asked += [
            index for index in range(GROUPS.index("person"), len(GROUPS)) if shown[index] > 50 and index not in asked
        ]
        sprites = [index for index in range(len(GROUPS), self.num_things) if shown[index] > 50]
        asked += self.dice.sample(sprites, min(12, len(sprites)))
        absent = self.dice.sample(range(len(GROUPS), self.num_things), min(12, self.num_things - len(GROUPS)))
        asked += [index for index in absent if index not in asked]
        garments = [index for index in range(1, len(worn)) if worn[index] > 50]
        asked += [self.num_things + index for index in self.dice.sample(garments, min(8, len(garments)))]
        missing = [index for index in range(1, len(worn)) if worn[index] == 0]
        asked += [self.num_things + index for index in self.dice.sample(missing, min(4, len(missing)))]
        text = torch.stack([self.vectors[index][self.dice.randrange(len(self.vectors[index]))] for index in asked])
        table = self.table[asked].to(self.device)
        answers = table[:, things].permute(1, 0, 2, 3).float()
        for row, index in enumerate(asked):
            if index >= self.num_things:
                # A labelled garment settles the answer, whatever the thing class says.
                garment = parts == index - self.num_things
                answers[:, row] = torch.where(garment, 1.0, torch.where(parts > 0, 0.0, answers[:, row]))
                close = torch.nonzero(self.alike[index, self.num_things :]).flatten().to(self.device)
                near = torch.isin(parts, close) & ~garment & (parts > 0)
                answers[:, row] = torch.where(near, -1.0, answers[:, row])
        self.last_asked = asked
        return text, answers

    def thing_scores(self, clips: Clips, masks: Tensor, probability: Tensor) -> Tensor:
        """The map of the word for the first chosen thing of each clip, from the answers to the last `questions`.

        masks: (batch, num_frames, num_objects, h, w). probability: (frames, num_questions, h, w), every second frame.
        Returns (batch, h, w); zero where the thing's name was not asked.
        """
        batch = masks.shape[0]
        first = probability.unflatten(0, (batch, -1))[:, 0]
        things = clips.things[:, 0, ::4, ::4]
        row_of = {index: row for row, index in enumerate(self.last_asked)}
        maps = torch.zeros_like(first[:, 0])
        inside = masks[:, 0, 0] > 0.6
        for item in range(batch):
            values = things[item][inside[item]]
            if len(values):
                row = row_of.get(int(values.mode().values))
                if row is not None:
                    maps[item] = first[item, row]
        return maps
