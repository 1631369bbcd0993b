"""A tiny UniVS that finds something, and what it is asked about."""

from __future__ import annotations

import numpy as np
import pytest
from tests.univs.sharp import LetterWords, sharp_network

from singleout.prompts import Mask
from singleout.systems.univs.inference import UniVS


@pytest.fixture(scope="module")
def system():
    return UniVS(sharp_network(), name="univs/tiny", words=LetterWords())


@pytest.fixture(scope="module")
def mask():
    ids = np.zeros((60, 90), np.int32)
    ids[10:40, 5:30] = 4
    return Mask(ids)
