"""What Mask2Former (Cheng et al. 2022) and the networks built on it are made of."""
