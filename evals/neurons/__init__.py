"""Random neurons of a model, explained and held against floors of equal size: the draw, the reading, the scores."""
