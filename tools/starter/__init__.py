"""How the starter is made: the scripts that build its words, its training data and its weights."""
