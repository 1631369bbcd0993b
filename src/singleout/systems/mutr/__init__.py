"""MUTR (Yan et al. 2024): ReferFormer whose words and queries see the whole video."""

from singleout.systems.mutr.system import SYSTEM as SYSTEM
