"""OVSeg (Liang et al. 2023): a class of any name at each pixel of a picture."""

from singleout.systems.ovseg.system import SYSTEM as SYSTEM
