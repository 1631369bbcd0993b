"""What comes out: objects over time as run-length codes, and the masks of one frame on their way there."""

from singleout.tracks.track import Track
from singleout.tracks.tracks import Tracks
from singleout.tracks.values import Answer, FrameCodes, FrameMasks, ObjectInfo

__all__ = ["Answer", "FrameCodes", "FrameMasks", "ObjectInfo", "Track", "Tracks"]
