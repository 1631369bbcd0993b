"""The catalogue, and the way from an official file to a system that is ready."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.zoo.tiny_system import OTHER, TINY, official_state
from tools import zoo_table

import singleout
from singleout.errors import InputError
from singleout.systems.catalog import find_system, system_names
from singleout.zoo import checkpoints, convert, find_checkpoint, open_weights
from singleout.zoo.addresses import understand
from singleout.zoo.catalogue import KINDS

ROOT = Path(__file__).parents[2]
TINY_NAME = "tests.zoo.tiny_system:TINY"


@pytest.fixture
def official(tmp_path: Path) -> Path:
    torch.save({"model": official_state(), "epoch": 1}, tmp_path / "official.pth")
    return tmp_path / "official.pth"


@pytest.fixture
def words(tmp_path: Path) -> Path:
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "vocab.txt").write_text("red\n")
    (tmp_path / "words" / "secret.txt").write_text("not a file of a tokenizer")
    return tmp_path / "words"


# The catalogue


def test_the_catalogue_is_sound():
    entries = checkpoints()
    assert len({entry.name for entry in entries}) == len(entries) > 100
    assert len({entry.folder for entry in entries}) == len(entries)
    defaults = [f"{entry.system}/{entry.variant}" for entry in entries if entry.default]
    assert len(set(defaults)) == len(defaults)
    for entry in entries:
        assert entry.kind in KINDS and entry.sources, entry.name
        assert entry.url is None or entry.url.startswith("https://"), entry.name
        assert not entry.verified and entry.size is None and entry.sha256 is None, "nobody has opened an address yet"
        if entry.sha256_starts:
            published = (f"-{entry.sha256_starts}.", f"/{entry.sha256_starts}/")
            assert any(digits in entry.url for digits in published), "the digits are those of the published address"
        assert (entry.kind == "folder") == (not entry.file), entry.name
        if entry.kind == "folder":
            assert understand(entry.url).kind == "page"


@pytest.mark.parametrize("system", system_names())
def test_variants_of_the_catalogue_are_those_of_the_systems(system):
    variants = set(find_system(system).variants())
    entries = [entry for entry in checkpoints() if entry.system == system and entry.kind == "model"]
    assert {entry.variant for entry in entries} <= variants
    short = {variant for entry in entries if entry.default for variant in (entry.variant, *entry.also)}
    assert short == variants, "each variant has a name of its own"


def test_figures_are_those_that_the_authors_print():
    # Rows of the published tables, copied by hand.
    said = {
        ("referformer/video-swin-b-joint", "Ref-YouTube-VOS valid", "J&F"): 64.9,
        ("referformer/resnet-50-ytvos", "Ref-YouTube-VOS valid", "J&F with CFBI"): 59.4,
        ("referformer/swin-l-ytvos", "Ref-DAVIS17 val", "F"): 63.4,
        ("referformer/video-swin-t-a2d-scratch", "A2D-Sentences", "mAP"): 48.6,
        ("referformer/video-swin-b-a2d", "JHMDB-Sentences", "Overall IoU"): 73.0,
        ("referformer/resnet-50-refcoco", "RefCOCO+ val", "masks, overall IoU"): 64.1,
        ("mutr/convmae-b", "Ref-DAVIS17 val", "J&F"): 69.2,
        ("aot/r50-aotl-pre-ytb-dav", "DAVIS 2017 test", "J&F"): 79.5,
        ("aot/r50-aotl-pre-ytb-dav", "YouTube-VOS 2018 val (all frames)", "G"): 85.5,
        ("ov2seg/resnet-50", "LV-VIS val", "AP"): 14.2,
    }
    for (name, benchmark, metric), value in said.items():
        figures = find_checkpoint(name).figures
        found = [one.value for one in figures if (one.benchmark, one.metric) == (benchmark, metric)]
        assert found == [value], (name, benchmark, metric)


def test_the_tables_of_the_pages_are_those_of_the_catalogue():
    assert zoo_table.main(["--check"]) == 0, "run python -m tools.zoo_table"


def test_names_and_near_names():
    assert find_checkpoint("referformer/video-swin-b").name == "referformer/video-swin-b-joint"
    assert find_checkpoint("referformer/swin-t").name == "referformer/swin-t-ytvos"
    assert find_checkpoint("mutr/resnet-50").name == "mutr/resnet-50"
    with pytest.raises(InputError, match=r"did you mean .*referformer/video-swin-b"):
        find_checkpoint("referformer/video-swin-bb")


def test_a_catalogue_of_ones_own(tmp_path, monkeypatch):
    file = tmp_path / "mine.json"
    monkeypatch.setenv("SINGLEOUT_CATALOGUE", str(file))
    publisher = {
        "title": "Tiny",
        "repository": "r",
        "paper": "p",
        "licence_code": None,
        "licence_data": "d",
        "trained_on": [],
    }
    entry = {"name": "tiny/small", "kind": "model", "trained": "t", "file": "a.pth"}
    file.write_text(json.dumps({"systems": {"tiny": publisher}, "checkpoints": [entry]}))
    assert find_checkpoint("tiny/small").url is None
    assert find_checkpoint("mutr/resnet-50")
    for broken in (
        {"file": "../a.pth"},
        {"name": "tiny/.."},
        {"name": "tiny"},
        {"kind": "x"},
        {"sha": "y"},
        {"file": ""},
    ):
        file.write_text(json.dumps({"systems": {"tiny": publisher}, "checkpoints": [entry | broken]}))
        with pytest.raises(InputError, match="is not of the expected form"):
            checkpoints()
    file.write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        checkpoints()


# Opening


def test_an_official_file_opens_with_a_report_of_every_name(official):
    opened = open_weights(official, system=TINY)
    assert (opened.variant, opened.config) == ("small", {"num_classes": 2})
    assert opened.report.used == ("head.bias", "head.weight", "stem.bias", "stem.weight")
    assert opened.report.ignored == ("net.copy.bias", "net.copy.weight", "net.stem.total_ops")
    assert opened.report.complete and not opened.report.unexpected
    state = opened.network.state_dict()
    assert torch.equal(state["again.weight"], official_state()["net.cls.weight"])
    assert not opened.network.training


def broken_state(what: str) -> dict[str, torch.Tensor]:
    state = official_state()
    if what == "missing":
        del state["net.cls.bias"]
        del state["net.copy.bias"]
    elif what == "unexpected":
        state["net.extra.weight"] = torch.ones(1)
    elif what == "misshapen":
        state["net.stem.bias"] = torch.ones(9)
    elif what == "tied apart":
        state["net.copy.weight"] = state["net.copy.weight"] + 1
    elif what == "half gone":
        state = {name: value for name, value in state.items() if "stem" in name}
    return state


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("missing", "the name again.bias is|2 names such as again.bias, head.bias are missing"),
        ("unexpected", "the name net.extra.weight is unexpected .*--allow-unexpected"),
        ("misshapen", r"stem.bias is \[9\], expected \[4\]"),
        ("tied apart", "must be the same tensor"),
        ("half gone", "is no complete checkpoint of Tiny"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, what, said):
    file = tmp_path / "file.pth"
    torch.save(broken_state(what), file)
    with pytest.raises(InputError, match=said) as told:
        open_weights(file, system=TINY)
    assert str(file) in str(told.value) and "\n" not in str(told.value)


def test_unexpected_names_can_be_left_out_and_missing_ones_never(tmp_path):
    torch.save(broken_state("unexpected"), tmp_path / "file.pth")
    with pytest.warns(UserWarning, match="1 unexpected"):
        opened = open_weights(tmp_path / "file.pth", system=TINY, strict=False)
    assert opened.report.unexpected == ("net.extra.weight",)
    torch.save(broken_state("missing"), tmp_path / "file.pth")
    with pytest.raises(InputError, match="missing"):
        open_weights(tmp_path / "file.pth", system=TINY, strict=False)


def test_another_system_and_another_variant(official):
    with pytest.raises(InputError, match=r"is no checkpoint of Other: its 7 names begin with net \(7\)"):
        open_weights(official, system=OTHER)
    with pytest.raises(InputError, match="holds Tiny as small, not as large"):
        open_weights(official, system=TINY, variant="large")
    with pytest.raises(InputError, match="is no checkpoint of ReferFormer"):
        open_weights(official)


# Folders


def test_a_converted_folder_is_the_official_file(official, tmp_path, words):
    to = tmp_path / "folder"
    convert(str(official), to, system=TINY, tokenizer=words)
    assert {file.name for file in to.iterdir()} == {"config.json", "model.safetensors", "README.md", "tokenizer"}
    assert {file.name for file in (to / "tokenizer").iterdir()} == {"vocab.txt"}
    opened = open_weights(to, system=TINY)
    assert opened.tokenizer == to / "tokenizer"
    assert len({(to / name).stat().st_mode for name in ("config.json", "model.safetensors", "README.md")}) == 1
    first, second = open_weights(official, system=TINY).network.state_dict(), opened.network.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    card = (to / "README.md").read_text()
    stated = json.loads((to / "config.json").read_text())
    assert stated["source"]["sha256"] in card
    assert (stated["system"], stated["variant"], stated["config"]) == ("tiny", "small", {"num_classes": 2})


def test_a_folder_without_a_tokenizer_says_where_it_goes(official, tmp_path):
    said: list[str] = []
    convert(str(official), tmp_path / "folder", system=TINY, say=said.append)
    assert str(tmp_path / "folder" / "tokenizer") in said[0]
    segmenter = open_weights(tmp_path / "folder", system=TINY).segmenter()
    assert segmenter.tokenizer == tmp_path / "folder" / "tokenizer"
    with pytest.raises(InputError, match="has no tokenizer: give a folder"):
        convert(str(official), tmp_path / "another", system=TINY, tokenizer=tmp_path)


def test_a_folder_is_whole_or_not_there(official, tmp_path):
    to = tmp_path / "folder"
    convert(str(official), to, system=TINY)
    with pytest.raises(InputError, match="is not empty"):
        convert(str(official), to, system=TINY)
    before = (to / "config.json").read_text()
    torch.save(broken_state("missing"), official)
    with pytest.raises(InputError):
        convert(str(official), to, system=TINY, overwrite=True)
    assert (to / "config.json").read_text() == before
    assert not [file for file in tmp_path.iterdir() if "partial" in file.name]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda to: (to / "model.safetensors").unlink(), "model.safetensors is missing"),
        (lambda to: truncate(to / "model.safetensors"), "is damaged: .* bytes, .* are expected"),
        (lambda to: flip(to / "model.safetensors"), "its SHA-256 is not that"),
        (lambda to: (to / "config.json").write_text("{"), "cannot be read"),
        (lambda to: (to / "config.json").write_text("{}"), "is not of singleout"),
        (lambda to: restate(to, form_version=2), "is of version 2, this singleout reads 1"),
        (lambda to: restate(to, config=None), "config is missing or no dict"),
        (lambda to: restate(to, config={}), "num_classes is None, expected a number"),
        (lambda to: restate(to, config={"num_classes": 5}), r"head.bias is \[2\], expected \[5\]"),
        (lambda to: restate(to, system="other"), "holds other/small, not tiny"),
    ],
)
def test_a_damaged_folder(official, tmp_path, damage, said):
    to = tmp_path / "folder"
    convert(str(official), to, system=TINY)
    damage(to)
    with pytest.raises(InputError, match=said) as told:
        open_weights(to, system=TINY)
    assert str(to) in str(told.value) and "\n" not in str(told.value)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-5])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 255
    file.write_bytes(content)


def restate(to: Path, **values: object) -> None:
    stated = json.loads((to / "config.json").read_text())
    (to / "config.json").write_text(json.dumps(stated | values))


def test_a_folder_does_not_choose_what_is_imported(official, tmp_path):
    to = tmp_path / "folder"
    convert(str(official), to, system=TINY)
    for name in ("tiny", TINY_NAME):
        restate(to, system=name)
        with pytest.raises(InputError, match="which this singleout does not have"):
            singleout.load(to)


# Loading


def test_load_takes_files_folders_and_names(official, tmp_path, words, squares_file):
    convert(str(official), tmp_path / "folder", system=TINY, tokenizer=words)
    from_file = singleout.load(official, system=TINY_NAME)
    from_folder = singleout.load(tmp_path / "folder", system=TINY)
    from_name = singleout.load(TINY_NAME, weights=official)
    assert [one.name for one in (from_file, from_folder, from_name)] == ["tiny/small"] * 3
    tracks = from_folder.segment(squares_file, "the red square")
    assert tracks.ids == (1,) and tracks.areas(1).all()
    for one in (from_file, from_name):
        assert one.segment(squares_file, "the red square", token_ids=[[1]]) == tracks
    with pytest.raises(InputError, match="has no tokenizer"):
        from_file.segment(squares_file, "the red square")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("referformer", "referformer alone is not enough"),
        ("nothing", "there is no model 'nothing'"),
        (
            "referformer/video-swin-b",
            r"is not here yet: singleout get referformer/video-swin-b-joint fetches it; to put it",
        ),
        ("uninext/resnet-50", "cannot run UNINEXT yet"),
        ("referformer/nothing", "there is no checkpoint"),
        ("nowhere.pth", "nowhere.pth is not there"),
    ],
)
def test_what_cannot_be_loaded(model, said):
    with pytest.raises(InputError, match=said):
        singleout.load(model)


def test_weights_for_what_has_its_own(official):
    with pytest.raises(InputError, match="starter brings its own weights"):
        singleout.load("starter", weights=official)
    with pytest.raises(InputError, match="is no checkpoint of ReferFormer"):
        singleout.load("referformer/resnet-50", weights=official)


def test_two_processes_convert_and_load_at_once(official, tmp_path):
    code = (
        "import sys; from pathlib import Path; from singleout.zoo import convert, open_weights\n"
        "from tests.zoo.tiny_system import TINY\n"
        "convert(sys.argv[1], Path(sys.argv[2]), system=TINY, overwrite=True)\n"
        "print(open_weights(Path(sys.argv[3]), system=TINY).report.summary())"
    )
    convert(str(official), tmp_path / "shared", system=TINY)
    words = [sys.executable, "-c", code, str(official)]
    started = [
        subprocess.Popen([*words, tmp_path / f"own{number}", tmp_path / "shared"], cwd=ROOT, stdout=subprocess.PIPE)
        for number in range(2)
    ]
    assert [process.communicate()[0] for process in started] == [
        b"4 names used, 0 ignored, 0 missing, 0 unexpected\n"
    ] * 2


@pytest.mark.needs_shared
def test_an_official_layout_of_referformer_opens(tmp_path, shared):
    keys = json.loads((shared / "reference/referformer/keys-video_swin_t_p4w7.json").read_text())
    # One number repeated: a file of the true shapes that takes no room.
    state = {name: torch.zeros(1).expand(shape) for name, shape in keys["keys"].items()}
    state["text_encoder.embeddings.position_ids"] = torch.arange(514)[None]
    torch.save({"model": state, "epoch": 3}, tmp_path / "official.pth")
    opened = open_weights(tmp_path / "official.pth")
    assert (opened.system.name, opened.variant) == ("referformer", "video-swin-t")
    assert opened.report.complete and not opened.report.unexpected
    assert opened.segmenter().name == "referformer/video-swin-t"
