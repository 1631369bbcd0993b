"""Masks as bytes, files of masks, masks made elsewhere, votes and rules for key frames."""

from __future__ import annotations

import pickle
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fusion.members import FRAMES, HEIGHT, WIDTH, draw, write_arrays, write_data, write_pictures, write_torch

from singleout.data.referring import read_ref_ytvos
from singleout.errors import InputError
from singleout.evaluation.metrics.region import region_similarity
from singleout.fusion import bits
from singleout.fusion.chooser import Look, agreed, highest, surest
from singleout.fusion.sources import open_source
from singleout.fusion.store import Clip, read_head, read_values, reading, write_values, writing
from singleout.fusion.votes import Ballot, best, count, find_vote, mean, read_vote_settings
from singleout.zoo.stored import read_stored

CLIP = Clip("v", ("a", "b"), ("0", "1"), 5, 7)
RANDOM = np.random.default_rng(0)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_masks_come_back_from_their_bytes(height, width, seed):
    random = np.random.default_rng(seed)
    shares = random.random((height, width), np.float32)
    shares[random.random((height, width)) < 0.2] = 0.5
    mask, other = shares > 0.5, random.random((height, width)) < 0.3
    assert np.array_equal(bits.unpack_bits(bits.pack(bits.as_bits(mask)), height, width), mask)
    back = bits.unpack_steps(bits.pack(bits.as_steps(shares)), height, width)
    assert np.abs(back - shares).max() <= 1 / 256
    # However coarse the steps are, nothing crosses the usual threshold.
    assert np.array_equal(back > 0.5, mask)
    assert bits.overlap(bits.as_bits(mask), bits.as_bits(other)) == region_similarity(mask, other)


@pytest.mark.parametrize("threshold", [0.5, 0.3, 0.7, 0.01])
def test_logits_are_cut_where_torch_cuts_their_probabilities(threshold):
    edge = bits.logit_edge(threshold)
    near = [edge]
    for _ in range(20):
        near = [np.nextafter(near[0], np.float32(-99)), *near, np.nextafter(near[-1], np.float32(99))]
    logits = np.array(near, np.float32)
    assert np.array_equal(logits >= edge, (torch.sigmoid(torch.from_numpy(logits)) > threshold).numpy())


@pytest.mark.parametrize("soft", [False, True])
def test_a_file_of_masks_holds_them_scores_and_what_it_was_made_from(tmp_path, soft):
    shares = RANDOM.random((2, 2, 5, 7), np.float32)
    with writing(tmp_path / "v.masks", CLIP, "key", soft=soft) as writer:
        for frame in (1, 0):
            writer.add("0", frame, shares[0, frame] if soft else shares[0, frame] > 0.5)
        writer.score("0", [0.25, 0.75])
        writer.same("1", "0")
    with reading(tmp_path / "v.masks") as found:
        assert (found.clip, found.soft, found.head.key) == (CLIP, soft, "key")
        for sentence in "01":
            for frame in range(2):
                assert np.array_equal(found.mask(sentence, frame), shares[0, frame] > 0.5)
                assert np.array_equal(found.bits(sentence, frame), np.packbits(shares[0, frame] > 0.5))
        assert found.scores("0").tolist() == found.scores("1").tolist() == [0.25, 0.75]
        assert found.identity("0", 1) == found.identity("1", 1) != found.identity("0", 0)
    assert read_head(tmp_path / "v.masks") == found.head


def test_a_damaged_or_missing_product_is_made_anew(tmp_path):
    with writing(tmp_path / "v.masks", CLIP, "key") as writer:
        for sentence in "01":
            for frame in range(2):
                writer.add(sentence, frame, np.ones((5, 7), bool))
    whole = (tmp_path / "v.masks").read_bytes()
    for content in (whole[:-3], whole[: len(whole) // 2], b""):
        (tmp_path / "v.masks").write_bytes(content)
        assert read_head(tmp_path / "v.masks") is None
        with pytest.raises(InputError, match="is damaged: delete it"), reading(tmp_path / "v.masks"):
            pass
    (tmp_path / "v.masks").write_bytes(whole[:8] + bytes(6) + whole[14:])
    with reading(tmp_path / "v.masks") as found, pytest.raises(InputError, match="is damaged"):
        found.mask("0", 0)
    write_values(tmp_path / "v.json", "key", {"ä": [1]})
    assert read_values(tmp_path / "v.json") == {"ä": [1]}
    assert read_head(tmp_path / "v.json").key == "key"
    assert read_head(tmp_path / "w.json") is None


def test_nothing_half_written_stays(tmp_path):
    with pytest.raises(KeyboardInterrupt), writing(tmp_path / "v.masks", CLIP, "key"):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    return read_ref_ytvos(write_data(tmp_path_factory.mktemp("data")))


def test_every_form_of_masks_is_read_alike(tmp_path, videos):
    member = draw(1)
    write_torch(tmp_path / "parts" / "0.pth", {"ant": member["ant"]})
    write_torch(tmp_path / "parts" / "1.pth", {name: member[name] for name in ("cat", "bee")})
    whole = open_source(write_torch(tmp_path / "one.pth", member))
    places = (tmp_path / "parts", write_arrays(tmp_path / "arrays", member))
    pictures = open_source(write_pictures(tmp_path / "pictures" / "Annotations", member).parent)
    for source in (whole, *map(open_source, places)):
        for video in videos:
            assert source.size(video) == (HEIGHT, WIDTH)
            for sentence in video.sentences:
                logits, scores = member[video.name][sentence.id]
                assert np.array_equal(np.stack(list(source.masks(video, sentence.id))), logits)
                assert source.scores(video, sentence.id).tolist() == scores
                drawn = np.stack(list(pictures.masks(video, sentence.id)))
                assert np.array_equal(drawn == 255, logits > 0)
    assert pictures.size(videos[0]) == (HEIGHT, WIDTH)
    assert pictures.scores(videos[0], "0") is None
    # A copy of a file has the same content.
    assert open_source(tmp_path / "parts").stamp(videos[1]) == whole.stamp(videos[1])


def test_stored_tensors_are_read_wherever_they_lie(tmp_path):
    large = torch.arange(6 * 4 * 5, dtype=torch.float32).reshape(6, 4, 5)
    tensors = {"part": large[2:5], "turned": large.transpose(0, 2), "half": large.half(), "brain": large.bfloat16()}
    tensors |= {"one": torch.tensor(2.5), "none": torch.zeros(0, 3), "bool": large > 7}
    torch.save({"deep": [tensors]}, tmp_path / "x.pth")
    found = read_stored(tmp_path / "x.pth")["deep"][0]
    for name, tensor in tensors.items():
        assert np.array_equal(found[name].array(), tensor.float().numpy() if name == "brain" else tensor.numpy()), name


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('it ran')",))


def test_files_that_are_no_masks_are_refused(tmp_path, videos):
    def refused(path, match):
        with pytest.raises(InputError, match=match):
            open_source(path).size(videos[1])

    torch.save({"bee": Evil()}, tmp_path / "evil.pth")
    refused(tmp_path / "evil.pth", "asks for builtins.exec")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"bee": 1}))
    refused(tmp_path / "plain.pth", "not of the form that torch.save writes today")
    torch.save([1, 2], tmp_path / "list.pth")
    refused(tmp_path / "list.pth", "expected videos by name")
    member = draw(1)
    whole = write_torch(tmp_path / "whole.pth", member).read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / "cut.pth", "cut off")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "holds no masks")
    refused(tmp_path / "nowhere", "no such file or folder")
    del member["bee"]["1"]
    refused(write_torch(tmp_path / "less.pth", member), "no masks for video bee, sentence 1")
    member = draw(1)
    member["bee"]["1"] = (member["bee"]["1"][0][:, :9], [0.5] * len(FRAMES))
    refused(write_torch(tmp_path / "size.pth", member), "30x24 for sentence 0 but 30x9 for 1")
    member["bee"]["1"] = (member["bee"]["0"][0][1:], [0.5] * len(FRAMES))
    refused(write_torch(tmp_path / "short.pth", member), "expected a mask for each of its 4 frames")
    refused(write_arrays(tmp_path / "arrays", member), "expected a mask for each of its 4 frames")
    pictures = write_pictures(tmp_path / "pictures", draw(1))
    (pictures / "bee" / "2" / f"{FRAMES[1]}.png").unlink()
    refused(pictures, "sentence 2 has no picture 00005.png")
    write_torch(tmp_path / "twice" / "a.pth", draw(1))
    write_torch(tmp_path / "twice" / "b.pth", draw(1))
    refused(tmp_path / "twice", "video ant is in a.pth and in")


def ballots(masks, weights=None):
    weights = weights or [1] * len(masks)
    return [
        Ballot(weight, lambda one=mask: one > 0.5, lambda one=mask: np.asarray(one, np.float32))
        for mask, weight in zip(masks, weights, strict=True)
    ]


def test_votes_count_weigh_and_average():
    shares = RANDOM.random((5, 6, 8)).astype(np.float32)
    votes = (shares > 0.5).sum(axis=0)
    assert np.array_equal(count(ballots(shares), at_least=2), votes >= 2)
    assert np.array_equal(count(ballots(shares)), votes >= 2.5)
    assert np.array_equal(count(ballots(shares[:4]), at_least=Fraction(1, 2)), (shares[:4] > 0.5).sum(0) >= 2)
    assert np.array_equal(count(ballots(shares[:4]), more_than=Fraction(1, 2)), (shares[:4] > 0.5).sum(0) > 2)
    # A member of weight 2 is as good as two, and thirds add up to one half where they should.
    doubled = count(ballots(shares[:3], [2, 1, 1]))
    assert np.array_equal(doubled, count(ballots(shares[[0, 0, 1, 2]])))
    thirds = count(ballots(shares[:2], [1 / 3, 1 / 3]), at_least=Fraction(1, 2))
    assert np.array_equal(thirds, (shares[:2] > 0.5).any(axis=0))
    many = count(ballots([np.ones((2, 2))] * 300), at_least=300)
    assert many.all()
    assert np.array_equal(mean(ballots(shares), threshold=0.4), shares.mean(axis=0) > 0.4)
    weights = [0.5, 0.0, 0.25, 0.0, 0.25]
    assert np.array_equal(mean(ballots(shares, weights)), np.tensordot(np.float32(weights), shares, 1) > 0.5)
    assert not mean(ballots(shares[:2], [0, 0])).any()
    assert np.array_equal(best(ballots(shares, [1, 3, 2, 3, 0])), shares[1] > 0.5)


def test_votes_are_found_by_name_and_take_their_settings_only():
    assert find_vote("tests.fusion.members:slow_count").__name__ == "slow_count"
    assert read_vote_settings("here", "count", {"at_least": "2/3"}) == {"at_least": Fraction(2, 3)}
    for name, match in (("most", "there is no vote 'most'"), ("tests.fusion.members:nothing", "cannot be loaded")):
        with pytest.raises(InputError, match=match):
            find_vote(name)
    for given_settings, match in (
        ({"at_most": 1}, "at-most is not known here; the vote count takes at-least, more-than"),
        ({"at_least": 0}, "expected a number of votes from 1 on"),
        ({"at_least": "1/0"}, "expected a number of votes from 1 on"),
        ({"at_least": 1.5}, "expected a number of votes from 1 on"),
    ):
        with pytest.raises(InputError, match=match):
            read_vote_settings("here", "count", given_settings)


def test_key_frames():
    masks = np.zeros((4, 4, 4), bool)
    masks[1, :1], masks[2, :3], masks[3, :2] = True, True, True
    others = np.zeros_like(masks)
    others[3, :2] = True

    def look(scores):
        return Look(np.array(scores), 4, masks.__getitem__, [others.__getitem__])

    assert highest(look([0.9, 0.5, 0.9, 0.1])) == 0
    assert surest(look([0.9, 0.5, 0.89, 0.1])) == 2
    assert surest(look([0.9, 0.5, 0.495, 0.1])) == 2
    assert surest(look([0.9, 0.5, 0.45, 0.1])) == 1
    assert surest(look([0.9, 0.5, 0.45, 0.1]), tolerance=0.1) == 2
    assert agreed(look([0.9, 0.5, 0.9, 0.1])) == 3
    masks[:] = False
    assert surest(look([0.1, 0.5, 0.9, 0.1])) == agreed(look([0.1, 0.5, 0.9, 0.1])) == 2
