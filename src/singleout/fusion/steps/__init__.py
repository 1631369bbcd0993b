"""The kinds of steps, one module each; a kind is known by the word that its part of the pipeline begins with."""
