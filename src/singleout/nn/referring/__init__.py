"""What networks have in common in which sentences are queries: ReferFormer (Wu et al. 2022) and those built on it."""
