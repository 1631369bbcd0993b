"""The COCO run-length codes of all labels of a map in one pass.

A map of a hundred classes is a hundred masks to `pycocotools`, each of the whole picture. Here its runs are found once,
sorted by label and written as characters together; the codes are equal byte for byte.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def encode_labels(labels: npt.NDArray[np.integer]) -> dict[int, bytes]:
    """The code of the mask of every label that occurs: label to ``counts``, in ascending order of labels.

    labels: (height, width) int. A code is that of `pycocotools.mask.encode` for ``labels == label``.
    """
    # Runs go down the columns.
    flat = np.ascontiguousarray(labels.T).ravel()
    if not flat.size:
        return {}
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    lengths = np.diff(starts, append=flat.size)
    values = flat[starts]
    if 0 <= int(values.min()) <= int(values.max()) < 2**16:
        # numpy sorts numbers of 16 bits by counting, several times as fast.
        values = values.astype(np.uint16)
    order = np.argsort(values, kind="stable")
    values, starts, lengths = values[order], starts[order], lengths[order]
    changes = values[1:] != values[:-1]
    first = np.concatenate([[True], changes])
    last = np.concatenate([changes, [True]])
    counts, begins = _counts(starts, lengths, first, last, flat.size)
    text, sizes = _characters(_differences(counts, begins), begins)
    ends = np.cumsum(sizes).tolist()
    return {
        label: text[end - size : end]
        for label, end, size in zip(values[first].tolist(), ends, sizes.tolist(), strict=True)
    }


def _counts(
    starts: Ints, lengths: Ints, first: npt.NDArray[np.bool_], last: npt.NDArray[np.bool_], size: int
) -> tuple[Ints, Ints]:
    """Zeros and ones by turns for each label, and where the counts of each label begin."""
    ends = starts + lengths
    gaps = starts - np.concatenate([[0], ends[:-1]])
    gaps[first] = starts[first]
    after = size - ends[last]
    # Every label has two counts a run, and one for the zeros after its last run if there are any.
    label = np.cumsum(first) - 1
    extra = np.concatenate([[0], np.cumsum(after > 0)])
    place = 2 * np.arange(len(starts)) + extra[label]
    counts = np.empty(2 * len(starts) + extra[-1], np.int64)
    counts[place] = gaps
    counts[place + 1] = lengths
    counts[(place[last] + 2)[after > 0]] = after[after > 0]
    return counts, place[first]


def _differences(counts: Ints, begins: Ints) -> Ints:
    """From its fourth on, a count is written as the difference to the one before the last."""
    differences = counts.copy()
    differences[2:] -= counts[:-2]
    for offset in range(3):
        place = begins + offset
        # A label may have two counts only; the place is then the next one's, whose count stays whole as well.
        place = place[place < len(counts)]
        differences[place] = counts[place]
    return differences


def _characters(numbers: Ints, begins: Ints) -> tuple[bytes, Ints]:
    """Five bits a character from the lowest on, 32 for "more follows", all 48 higher: the text, and bytes per label."""
    # Of a negative number all bits are turned over, so that what is left of both kinds ends in zeros. The highest bit
    # of the last character is the sign.
    magnitudes = numbers ^ (numbers >> (8 * numbers.itemsize - 1))
    sizes = np.ones(len(numbers), np.int64)
    for bits in range(4, 8 * numbers.itemsize - 1, 5):
        longer = magnitudes >= 1 << bits
        if not longer.any():
            break
        sizes += longer
    ends = np.cumsum(sizes)
    text = np.empty(ends[-1], np.uint8)
    rest, place, left = numbers, ends - sizes, sizes
    while len(rest):
        more = left > 1
        text[place] = (rest & 31) + 48 + 32 * more
        rest, place, left = rest[more] >> 5, place[more] + 1, left[more] - 1
    return text.tobytes(), np.add.reduceat(sizes, begins)
