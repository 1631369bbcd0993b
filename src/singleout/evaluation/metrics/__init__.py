"""Metrics of video and image segmentation: arrays and run-length codes in, numbers out."""
