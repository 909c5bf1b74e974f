"""Inverse embeddings: the short input that drives a unit most, by gradient, and always reported from its text.

inverting.py is the contract; reading.py reads rows of embeddings; ascent.py climbs; decoding.py turns them into text
and measures it; found.py holds what comes out.
"""

from tools.inverse.found import Decoded, Inverse, Outcome, Plan, Point, Position, Projection, as_csv
from tools.inverse.inverting import invert

__all__ = ["Decoded", "Inverse", "Outcome", "Plan", "Point", "Position", "Projection", "as_csv", "invert"]
