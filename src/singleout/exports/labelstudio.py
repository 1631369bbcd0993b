"""Label Studio: ``<video>.json``, tasks with brush masks as predictions, and ``<video>.config.xml``, the labels.

Label Studio's own video objects are boxes, so every frame is a picture task with a brush region for each object. A
region carries the object id in ``meta.text`` and the score. A mask is the bit stream of its ``format: rle``, see
`brush`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

from singleout.exports.brush import encode
from singleout.exports.labels import label_of, numbering
from singleout.exports.layout import Destination, check_free, text_file, write_json_list
from singleout.tracks import codes as run_length

if TYPE_CHECKING:
    from singleout.tracks import FrameCodes, ObjectInfo, Tracks

_CONTROL, _IMAGE = "masks", "image"


def write(
    tracks: Tracks,
    where: Destination,
    *,
    image_prefix: str = "/data/local-files/?d=",
    image_suffix: str = ".jpg",
) -> list[Path]:
    """Write the tasks and the labelling configuration, which goes into the project's settings first.

    A frame's picture is ``image_prefix + <video>/<frame> + image_suffix``; the default is Label Studio's local storage.
    Label Studio has names only, so of `categories` only they are used.
    """
    names = list(numbering(tracks, where.categories))
    target, config = where.folder / f"{where.video_name}.json", where.folder / f"{where.video_name}.config.xml"
    check_free([target, config], overwrite=where.overwrite)
    with text_file(target) as file:
        write_json_list(
            file,
            (
                _task(frame, tracks.objects, f"{image_prefix}{where.video_name}/{name}{image_suffix}")
                for frame, name in zip(tracks.frames(), where.frame_names, strict=True)
            ),
        )
        file.write("\n")
    with text_file(config) as file:
        labels = "".join(f"    <Label value={quoteattr(name)}/>\n" for name in names)
        file.write(
            f'<View>\n  <Image name="{_IMAGE}" value="$image" zoom="true"/>\n'
            f'  <BrushLabels name="{_CONTROL}" toName="{_IMAGE}">\n{labels}  </BrushLabels>\n</View>\n'
        )
    return [target, config]


def _task(frame: FrameCodes, objects: Mapping[int, ObjectInfo], image: str) -> dict[str, Any]:
    regions = list(_regions(frame, objects))
    prediction: dict[str, Any] = {"model_version": "singleout", "result": regions}
    if regions:
        prediction["score"] = min(region["score"] for region in regions)
    return {"data": {"image": image}, "predictions": [prediction]}


def _regions(frame: FrameCodes, objects: Mapping[int, ObjectInfo]) -> Iterator[dict[str, Any]]:
    for key, score, code in zip(frame.ids.tolist(), frame.scores.tolist(), frame.codes, strict=True):
        mask = run_length.decode(code, frame.height, frame.width)
        if not mask.any():
            continue
        yield {
            "id": f"{frame.frame}-{key}",
            "type": "brushlabels",
            "from_name": _CONTROL,
            "to_name": _IMAGE,
            "original_width": frame.width,
            "original_height": frame.height,
            "image_rotation": 0,
            "score": round(score, 6),
            "meta": {"text": [f"object {key}"]},
            "value": {"format": "rle", "rle": encode(mask), "brushlabels": [label_of(objects[key])]},
        }
