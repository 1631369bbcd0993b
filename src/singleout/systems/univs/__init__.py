"""UniVS (Li et al. 2024): six tasks on videos with one network, in which prompts are queries."""

from singleout.systems.univs.system import SYSTEM as SYSTEM
