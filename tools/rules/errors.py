"""The one way in which a rule can be wrong before it is run."""


class RuleError(ValueError):
    """A rule that cannot be run: an unknown name, too much of something, not numbers. One line, for a person."""
