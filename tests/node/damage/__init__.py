"""One validator, real processes and real files: it survives damage or says what to do.

program.py     the process under test: opens a node from its folders, sends and makes blocks
faults.py      the write points of that process, counted, and what happens at one of them
launcher.py    starts such processes quickly and says how each ended
record.py      what a process said it did, and the rules that hold over several runs of one home
places.py      homes, and damage to their files
"""
