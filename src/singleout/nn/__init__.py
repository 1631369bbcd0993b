"""Layers that know no system."""
