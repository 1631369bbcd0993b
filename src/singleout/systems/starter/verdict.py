"""What words have found so far: scores, ids of results, and the answers to the user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from singleout.systems.starter.judge import Evidence, choose
from singleout.systems.starter.marks import Ids
from singleout.systems.starter.requests import Request, Requests
from singleout.tracks import Answer, ObjectInfo

MANY_LOOKS = 4
ONLY = -1  # the number of what was pursued for one request alone
_BEST_CELLS = 0.998  # the best score of a frame is that of its best 0.2 % of places: single cells are noise


class Verdicts:
    """Decides which followed objects are results of which request, under ids that last for a shot."""

    def __init__(self, requests: Requests, ids: Ids, *, pursued: bool) -> None:
        """pursued: requests for a single object are not chosen by `judge`, but given to `accept`."""
        self.requests, self.ids, self.pursued = requests, ids, pursued
        self.objects: dict[int, ObjectInfo] = {}
        self.best = [0.0 for _ in requests.each]
        self.results: list[list[int]] = [[] for _ in requests.each]
        self.beaten = ["" for _ in requests.each]  # names that fitted better what a name fitted
        self.picked: list[dict[int, int]] = [{} for _ in requests.each]

    def new_shot(self) -> None:
        """Forget which objects were chosen: after a cut everything is chosen anew, under new ids."""
        self.picked = [{} for _ in self.requests.each]

    def note(self, scores: Tensor) -> None:
        """Keep the best score of each noun anywhere in a frame. scores: (num_texts, height, width)."""
        best = scores.flatten(1).float().quantile(_BEST_CELLS, dim=1).tolist()
        for index, request in enumerate(self.requests.each):
            if not request.named:
                self.best[index] = max(self.best[index], best[request.head])

    def judge(self, seen: Mapping[int, Evidence], num_looks: int) -> list[tuple[int, int]]:
        """Pairs of followed object and id of the result; an object may be the result of several sentences.

        num_looks: that there were; where there were several, names ask for more than one sight of an object.
        """
        pairs: list[tuple[int, int]] = []
        for index, request in enumerate(self.requests.each):
            if request.unknown or (request.single and self.pursued):
                continue
            heads = {number: evidence.word(request.head) for number, evidence in seen.items()}
            if request.named:
                self.best[index] = max([self.best[index], *heads.values()])
            heads = {number: score for number, score in heads.items() if score >= request.threshold}
            if request.every:
                least = 2 if num_looks >= MANY_LOOKS else 1
                heads = {number: score for number, score in heads.items() if len(seen[number].sights) >= least}
                rivals = {number: self._rival(request, seen[number]) for number in heads}
                measure = request.threshold or 1.0
                chosen = sorted(number for number, score in heads.items() if score / measure >= rivals[number][0])
                if heads and not chosen:
                    self.beaten[index] = next(iter(rivals.values()))[1]
            else:
                # What was chosen before stays, as long as it still is such a thing.
                chosen = sorted((number for number in self.picked[index] if number in heads), key=lambda n: -heads[n])
                if request.asked.plural:
                    fitting = choose(request.asked, heads, seen, _worn(request, seen))
                    chosen += [number for number in fitting if number not in chosen]
                else:
                    chosen = chosen[:1] or choose(request.asked, heads, seen, _worn(request, seen))
            pairs += [(number, self._result(index, number, heads[number])) for number in chosen]
        return pairs

    def accept(self, index: int, score: float) -> int | None:
        """The id of the one object of a request, if its score is enough; None if it is not."""
        request = self.requests.each[index]
        if request.named:
            self.best[index] = max(self.best[index], score)
        return self._result(index, ONLY, score) if score >= request.threshold else None

    def answers(self) -> list[Answer]:
        """What became of each request so far."""
        return [
            Answer(
                prompt=request.prompt,
                found=tuple(found),
                best_score=round(best, 4),
                threshold=request.threshold,
                message="" if found else why_nothing(request, best, beaten),
            )
            for request, found, best, beaten in zip(
                self.requests.each, self.results, self.best, self.beaten, strict=True
            )
        ]

    def save(self) -> dict[str, Any]:
        """Plain values from which `load` goes on."""
        return {
            "best": list(self.best),
            "beaten": list(self.beaten),
            "results": [list(found) for found in self.results],
            "picked": [sorted(picked.items()) for picked in self.picked],
            "used": sorted(self.ids.used),
            "objects": [[info.id, info.label, info.prompt, info.score] for info in self.objects.values()],
        }

    def load(self, values: Mapping[str, Any]) -> None:
        """Go on from what `save` gave."""
        self.best = [float(value) for value in values["best"]]
        self.beaten = [str(name) for name in values["beaten"]]
        self.results = [[int(number) for number in found] for found in values["results"]]
        self.picked = [{int(number): int(result) for number, result in pairs} for pairs in values["picked"]]
        self.ids.used = {int(number) for number in values["used"]}
        self.objects = {
            int(number): ObjectInfo(id=int(number), label=label, prompt=prompt, score=float(score))
            for number, label, prompt, score in values["objects"]
        }

    def _rival(self, request: Request, evidence: Evidence) -> tuple[float, str]:
        """The other name of the lists that fits best, by which person and car are told apart, as a share of what it
        needs.
        """
        others = [other for other in self.requests.each if other.every and other.head != request.head]
        fits = [(evidence.word(other.head) / (other.threshold or 1.0), other.label) for other in others]
        return max(fits, default=(0.0, ""))

    def _result(self, index: int, number: int, score: float) -> int:
        """The id of the result for a followed object: the one that it has, the one asked for, or a new one."""
        request, known = self.requests.each[index], self.picked[index]
        if number not in known:
            wanted = request.object_id
            if known and not request.every and not request.asked.plural:
                # A sentence means one object: found anew within a shot, it is the same one.
                known[number] = next(iter(known.values()))
            elif wanted is not None and wanted not in self.results[index]:
                known[number] = wanted
            else:
                known[number] = self.ids.new()
            if known[number] not in self.results[index]:
                self.results[index].append(known[number])
        result = known[number]
        best = max(score, self.objects[result].score) if result in self.objects else score
        self.objects[result] = ObjectInfo(id=result, label=request.label, prompt=request.prompt, score=round(best, 4))
        return result


def why_nothing(request: Request, best: float, beaten: str) -> str:
    """One line on a request that found nothing: its best score, the threshold, and what to lower."""
    if request.unknown:
        return request.unknown
    if beaten:
        return f'"{request.prompt}" was not found: everything like it fits "{beaten}" better; ask for it alone'
    if best >= request.threshold:
        return f'"{request.prompt}" was not found: only small or passing places score up to {best:.2f}'
    return (
        f'"{request.prompt}" was not found: its best score is {best:.2f}, needed are {request.threshold:.2f}; '
        f"lower the threshold to {max(0.01, best - 0.05):.2f} to see the best guess"
    )


def _worn(request: Request, seen: Mapping[int, Evidence]) -> dict[int, list[float]]:
    return {
        number: [0.0 if row is None else evidence.word(row) for row in request.worn]
        for number, evidence in seen.items()
    }
