"""The output folder of a run: what it belongs to, who may write to it, how far it has come, what was made."""
