from __future__ import annotations

import pytest
from moving_scene import Scene

import singleout
from singleout.segmenter import Segmenter


@pytest.fixture(scope="session")
def scene() -> Scene:
    return Scene()


@pytest.fixture(scope="session")
def cut_scene() -> Scene:
    return Scene(cut=7)


@pytest.fixture(scope="session")
def starter() -> Segmenter:
    return singleout.load("starter")
