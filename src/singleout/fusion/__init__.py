"""Several models' masks of the same sentences made one: a pipeline of steps, declared in one YAML file.

After the winners of the ICCV 2023 Referring VOS challenge (RobertLuo1/iccv2023_RVOS_Challenge). Steps predict, read
masks made elsewhere, choose key frames, propagate, pair sentences, vote and export. Each is made video by video, kept
by the content of its inputs and its settings, and shared by as many processes as are started.
"""
