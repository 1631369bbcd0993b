"""MaskFormer's parts (Cheng et al. 2021), for the systems that are built on it."""
