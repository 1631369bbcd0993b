"""singleout: words or marks go in with a video, tracks come out."""
