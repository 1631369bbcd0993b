"""Whatever stands in a file in place of what is due: it is read, or it is one line that names the file."""

from __future__ import annotations

import copy
import json
import pickle
from itertools import cycle, islice

import miniature as mini
import pytest

from singleout.data import actions, cocovid, images, panoptic, refcoco, referring, viposeg, ytvos
from singleout.data.convert import Order, convert
from singleout.data.split import Amount, dev_set, halves
from singleout.errors import InputError

JUNK = (None, -1, 1.5, True, "x", "../x", [], {}, [None], float("nan"))


def spoiled(content):
    """Copies of JSON content, each with one value in it replaced by junk; of lists the first two entries.

    Every place gets three kinds of junk, the next place the next three.
    """

    def places(value, path=()):
        if path:
            yield path
        children = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
        for key, child in children:
            yield from places(child, (*path, key))

    kinds = cycle(JUNK)
    for path in places(content):
        for junk in islice(kinds, 3):
            changed = copy.deepcopy(content)
            inner = changed
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = junk
            yield path, junk, changed


def survives(read, path, write=mini.write_json):
    content = json.loads(path.read_text()) if write is mini.write_json else refcoco.read_plain_pickle(path)
    refused = 0
    for place, junk, changed in spoiled(content):
        write(path, changed)
        try:
            read()
        except InputError as error:
            refused += 1
            assert "\n" not in str(error), (place, junk)
            assert str(path.parent) in str(error) or path.name in str(error), (place, junk, str(error))
        except Exception as error:
            raise AssertionError(f"{place} = {junk!r}: {type(error).__name__}: {error}") from error
    write(path, content)
    assert refused, "nothing was noticed"


def test_tracks_and_results(tmp_path):
    path = mini.tracks(tmp_path / "gt.json", videos=2, categories=1, frames=2)
    survives(lambda: cocovid.read(path), path)
    truth = cocovid.read(path)
    code = mini.rle(mini.squares({1: (1, 1, 2, 2)}), 1)
    results = mini.write_json(
        tmp_path / "results.json", [{"video_id": 1, "category_id": 1, "score": 0.5, "segmentations": [code, None]}]
    )
    survives(lambda: cocovid.read_results(results, truth), results)


def test_images(tmp_path):
    mini.coco(tmp_path)
    path = tmp_path / "annotations/instances_val2017.json"
    survives(lambda: images.read_coco(tmp_path), path)
    mini.lvis(tmp_path)
    survives(lambda: images.read_lvis(tmp_path), tmp_path / "lvis_v1_val.json")
    truth = images.read_coco(tmp_path)
    entry = {"image_id": 7, "category_id": 18, "score": 0.5, "bbox": [1, 2, 3, 4]}
    results = mini.write_json(tmp_path / "results.json", [entry])
    survives(lambda: images.read_results(results, truth), results)
    survives(lambda: convert("lvis", Order(tmp_path, split="val", overwrite=True)), tmp_path / "lvis_v1_val.json")


def test_panoptic(tmp_path):
    mini.coco(tmp_path)
    survives(lambda: panoptic.read_coco_panoptic(tmp_path), tmp_path / "annotations/panoptic_val2017.json")
    mini.vipseg_raw(tmp_path / "raw", names=("a", "b"))
    _, path = convert("vipseg", Order(tmp_path / "raw", tmp_path / "out"))
    content = json.loads(path.read_text())
    content["categories"] = [entry for entry in content["categories"] if entry["id"] in {0, 2, 60}]
    mini.write_json(path, content)
    survives(lambda: panoptic.read_vipseg(tmp_path / "out"), path)
    survives(lambda: dev_set("vipseg", tmp_path / "out", amount=Amount(count=1)), path)


def test_sentences(tmp_path):
    path = mini.sentences(tmp_path, "valid", {"aaa": ["00000"]}, objects=True)
    survives(lambda: referring.read_ref_ytvos(tmp_path), path)
    survives(lambda: referring.read_ref_davis(tmp_path), path)
    mini.mevis(tmp_path)
    survives(lambda: referring.read_mevis(tmp_path), tmp_path / "valid_u/meta_expressions.json")
    survives(lambda: referring.read_mevis(tmp_path), tmp_path / "valid_u/mask_dict.json")


def test_objects(tmp_path):
    mini.youtube_vos(tmp_path)
    survives(lambda: ytvos.read(tmp_path, split="train"), tmp_path / "train/meta.json")
    mini.viposeg(tmp_path)
    survives(lambda: viposeg.read(tmp_path), tmp_path / "valid/meta.json")
    survives(lambda: viposeg.read(tmp_path), tmp_path / "valid/obj_class.json")


def test_actions(tmp_path):
    mini.jhmdb(tmp_path)
    survives(lambda: actions.read_jhmdb(tmp_path), tmp_path / "jhmdb_sentences_samples_metadata.json")
    mini.a2d(tmp_path)
    samples = mini.write_json(tmp_path / "samples.json", [["dog", "vid_a", 10, 1]])
    survives(lambda: actions.read_a2d(tmp_path, samples=samples), samples)
    for name in ("Release/videoset.csv", "text_annotations/a2d_annotation.txt"):
        path = tmp_path / name
        text = path.read_text()
        for spoiled_text in (
            text.replace(",", ";"),
            text.replace("vid_a", ".."),
            "",
            "\x00",
            text.replace("0\n", "7\n"),
        ):
            path.write_text(spoiled_text)
            try:
                actions.read_a2d(tmp_path)
            except InputError as error:
                assert path.name in str(error) or "split" in str(error)
        path.write_text(text)


def test_references(tmp_path):
    def write(path, content):
        path.write_bytes(pickle.dumps(content, protocol=2))

    mini.refcoco(tmp_path)
    survives(lambda: refcoco.read_raw(tmp_path, "refcoco"), tmp_path / "refcoco/refs(unc).p", write)
    survives(lambda: refcoco.read_raw(tmp_path, "refcoco"), tmp_path / "refcoco/instances.json")
    survives(
        lambda: convert("refcoco", Order(tmp_path, split="train", overwrite=True)),
        tmp_path / "refcoco/refs(unc).p",
        write,
    )


def test_parts(tmp_path):
    path = mini.tracks(tmp_path / "train.json", videos=3, frames=2)
    survives(lambda: halves("ovis", tmp_path), path)
    listing = mini.tracks(tmp_path / "val_instances.json", videos=3, frames=2)
    survives(lambda: dev_set("lv-vis", tmp_path), listing)


def test_burst(tmp_path):
    from test_data_convert import burst

    burst(tmp_path, first_frames=True)
    survives(lambda: convert("burst", Order(tmp_path, overwrite=True)), tmp_path / "train.json")


@pytest.mark.parametrize("text", ["", "[", "nothing", "[1, 2", '{"videos": [}', "\xff"])
def test_what_is_not_json_at_all(tmp_path, text):
    path = tmp_path / "gt.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"gt\.json"):
        cocovid.read(path)
