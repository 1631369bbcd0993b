"""What MUTR is trained on, which it has in common with ReferFormer.

Classes and masks come from the queries that agreed over time, boxes from those of each frame.
"""

from singleout.nn.referring.criterion import WEIGHTS, Target, losses_of, total

__all__ = ["WEIGHTS", "Target", "losses_of", "total"]
