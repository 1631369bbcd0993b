"""Losses that know no system, and what matches predictions to targets."""
