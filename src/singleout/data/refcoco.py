"""RefCOCO, RefCOCO+ and RefCOCOg, raw (``instances.json`` and a pickle of references) and converted."""

from __future__ import annotations

from pathlib import Path
from pickle import Unpickler, UnpicklingError
from typing import Any, NoReturn

from singleout.data import images
from singleout.data.files import a_part, an_object, first_of
from singleout.data.records import ImageSet, Reference, Sentence
from singleout.errors import InputError

SPLIT_BY = {"refcoco": "unc", "refcoco+": "unc", "refcocog": "umd"}
SPLITS = {
    "refcoco": ("train", "val", "testA", "testB"),
    "refcoco+": ("train", "val", "testA", "testB"),
    "refcocog": ("train", "val", "test"),
}


class _PlainUnpickler(Unpickler):
    """Builds lists, dicts, strings and numbers only: anything that a pickle would call is refused."""

    def find_class(self, module_name: str, global_name: str, /) -> NoReturn:
        """Refuse the class or function that the file names."""
        raise UnpicklingError(f"it asks for {module_name}.{global_name}, which references do not need")


def read_raw(root: Path, name: str, *, split_by: str | None = None) -> tuple[ImageSet, tuple[Reference, ...]]:
    """A set as released: ``<name>/instances.json`` and ``<name>/refs(<split_by>).p``.

    name: refcoco, refcoco+ or refcocog. split_by: whose division, unc, umd or google; None takes the usual one.
    Pictures are those of COCO 2014 training, in ``train2014`` beside the folders. Raises InputError for a set, file or
    reference that is not right, and for a pickle that holds more than plain values.
    """
    if name not in SPLIT_BY:
        raise InputError(f"there is no {name!r} among {', '.join(SPLIT_BY)}")
    folder = root / name
    path = first_of(root, [f"{name}/refs({split_by or SPLIT_BY[name]}).p"], "the references as released")
    known = images.read(folder / "instances.json", root / "train2014")
    annotations = {annotation.id for annotation in known.annotations}
    listed = {image.id for image in known.images}
    entries = read_plain_pickle(path)
    if not isinstance(entries, list):
        raise InputError(f"{path}: expected a list of references")
    references = tuple(_reference(entry, f"{path}: entry {index}") for index, entry in enumerate(entries))
    for reference in references:
        if reference.annotation_id not in annotations:
            raise InputError(
                f"{path}: reference {reference.id} is of annotation {reference.annotation_id}, which is not there"
            )
        if reference.image_id not in listed:
            raise InputError(f"{path}: reference {reference.id} is of image {reference.image_id}, which is not there")
    return known, references


def read_converted(root: Path, name: str, split: str, *, pictures: Path | None = None) -> ImageSet:
    """A converted set, one image entry for each sentence: ``instances_<name>_<split>.json``.

    pictures: folder of the COCO 2014 training images; None takes ``train2014`` in root.
    """
    file = f"instances_{name}_{split}.json"
    path = first_of(root, [file, f"{name}/{file}", f"annotations/{file}"], "the converted sentences")
    return images.read(path, pictures or root / "train2014")


def read_plain_pickle(path: Path) -> Any:
    """The lists, dicts, strings and numbers in a pickle. Raises InputError for a damaged file and for anything else."""
    try:
        with path.open("rb") as file:
            # Written by Python 2, whose strings are bytes.
            return _PlainUnpickler(file, encoding="latin-1").load()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # a damaged pickle fails in many ways
        raise InputError(f"{path} cannot be read as plain values: {error}") from error


def _reference(entry: Any, where: str) -> Reference:
    content = an_object(entry, where)
    sentences = tuple(
        Sentence(str(a_part(each, "sent_id", int, where)), a_part(each, "sent", str, where))
        for each in (an_object(one, f"{where}, a sentence") for one in a_part(content, "sentences", list, where))
    )
    return Reference(
        a_part(content, "ref_id", int, where),
        a_part(content, "ann_id", int, where),
        a_part(content, "image_id", int, where),
        a_part(content, "category_id", int, where),
        a_part(content, "split", str, where),
        a_part(content, "file_name", str, where),
        sentences,
    )
