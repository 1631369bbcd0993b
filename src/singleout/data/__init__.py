"""Data sets as they lie on disk: typed records and readers of every layout, checks, development splits, conversions.

Readers follow the files that list a data set (image sets, meta files, annotation JSON) and build paths; they open no
picture. Whether the pictures are there and hold what they should is what `singleout.data.check` finds out.
"""
