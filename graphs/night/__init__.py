"""An overnight run: many targets, worked on by whoever may die at any moment.

folder.py     where everything of one run lies    owner.py    who has workers, and takes in what they finish
attempt.py    one attempt at a target             crew.py     the workers as processes (worker.py is one of them)
footprint.py  the memory of a process             cluster.py  the workers as actors of Ray (actor.py is one of them)
report.py     the morning report
"""
