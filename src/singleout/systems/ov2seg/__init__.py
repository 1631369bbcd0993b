"""OV2Seg (Wang et al. 2023, "Towards Open-Vocabulary Video Instance Segmentation"): names in, tracks of each out."""

from singleout.systems.ov2seg.system import SYSTEM as SYSTEM
