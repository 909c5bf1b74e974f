"""Synthetic neurons with known truth: specs, the text they stand in, and how an explanation of one is scored."""
