"""SOC (Luo et al. 2023): words and pictures meet in queries of the whole video."""

from singleout.systems.soc.system import SYSTEM as SYSTEM
