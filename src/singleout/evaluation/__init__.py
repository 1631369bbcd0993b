"""How good results are: metrics (arrays in, numbers out) and benchmarks (a data set, its protocol and its files)."""
