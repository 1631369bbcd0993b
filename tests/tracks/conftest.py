"""Hypothesis as this room wants it: few examples of small tracks, and no time limit on a busy machine."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("tracks", max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tracks")
