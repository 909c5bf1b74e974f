"""An overnight run: many targets, worked on by whoever may die at any moment.

asking.py     from flags to targets and limits    owner.py    who has workers, and takes in what they finish
estimate.py   what it would cost                  crew.py     the workers as processes (worker.py is one of them)
folder.py     where everything of one run lies    cluster.py  the workers as actors of Ray (actor.py is one of them)
ahead.py      pages read before it begins         address.py  where Ray is
attempt.py    one attempt at a target             report.py   the morning report, with charts.py
footprint.py  the memory of a process
"""
