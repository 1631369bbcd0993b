"""What ReferFormer is trained on, which it has in common with the systems built on it."""

from singleout.nn.referring.criterion import WEIGHTS, Target, losses_of, total

__all__ = ["WEIGHTS", "Target", "losses_of", "total"]
