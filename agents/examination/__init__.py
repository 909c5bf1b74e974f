"""The examination a language model sits before it may judge or simulate."""
