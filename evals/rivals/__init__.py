"""The other ways to drive a unit, as their authors do it, under one clock: what `python -m evals.search` compares with.

Each method is one function `Course -> Run` in a file of its own; `course.py` says what it is given and hands back.
"""
