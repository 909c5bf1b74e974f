"""An overnight run: many targets, worked on by processes that may die at any moment.

folder.py  where everything of one run lies     owner.py   who starts workers and takes in what they finish
worker.py  one process, target after target     report.py  the morning report
"""
