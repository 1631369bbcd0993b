"""AOT and DeAOT (Yang et al. 2021, 2022): objects whose masks are given in some frame, followed through a video."""

from singleout.systems.aot.system import SYSTEM as SYSTEM
