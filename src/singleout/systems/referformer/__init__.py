"""ReferFormer (Wu et al. 2022): one sentence, one object, in all frames of a video."""

from singleout.systems.referformer.system import SYSTEM as SYSTEM
