"""The version of the package, for the face and for the files that a run writes."""

__version__ = "0.1.0"
