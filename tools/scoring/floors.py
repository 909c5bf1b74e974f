"""What scores without understanding: a prediction that a good explanation has to beat.

1. `constant_floor`, always none: no correlation, R2 at most 0, balanced accuracy .5, forced choice .5.
2. `token_floor`: each token predicted by the mean of the same token in the other texts (leave one text out), and what
   the others never show by their mean over all tokens. `previous_floor`: the same by the token before.
3. `best_of`: the best of k predictors that know nothing of the unit (rules of other neurons, or `random_tables`: token
   tables of activations dealt out to other tokens). The best of several is better than any one, so whoever chose among
   k is floored by the best of k.

`token_floor` and `previous_floor` use the scored activations of other texts, which no explanation may: they are floors,
never results.
"""

from collections.abc import Hashable, Sequence

import numpy as np

from tools.scoring.correlations import correlation
from tools.scoring.resampling import Array, check_lengths


def constant_floor(measured: Sequence[Array]) -> list[Array]:
    """Always none: zero at every token."""
    return [np.zeros(len(text)) for text in measured]


def token_floor(tokens: Sequence[Sequence[str]], measured: Sequence[Array]) -> list[Array]:
    """The mean of the same token in the other texts, at every token."""
    return _looked_up(tokens, measured)


def previous_floor(tokens: Sequence[Sequence[str]], measured: Sequence[Array]) -> list[Array]:
    """The mean after the same token in the other texts, at every token; a text's first token follows nothing."""
    return _looked_up([[None, *text[:-1]] if text else [] for text in tokens], measured)


def random_tables(
    tokens: Sequence[Sequence[str]],
    measured: Sequence[Array],
    asked: Sequence[Sequence[str]],
    *,
    count: int,
    seed: int,
) -> list[list[Array]]:
    """What `count` token tables predict at the asked tokens, each made from activations dealt out to random tokens.

    tokens, measured: the text the tables are made from; a token that is not in it is predicted by the mean.
    """
    if not len(measured) or not sum(map(len, measured)):
        return []
    values, rng = np.concatenate(list(measured)), np.random.default_rng(seed)
    numbering = {token: n for n, token in enumerate(dict.fromkeys(token for text in tokens for token in text))}
    codes = np.array([numbering[token] for text in tokens for token in text], dtype=np.int64)
    wanted = [np.array([numbering.get(token, len(numbering)) for token in text], dtype=np.int64) for text in asked]
    found = []
    for _ in range(count):
        sums = np.bincount(codes, weights=rng.permutation(values), minlength=len(numbering))
        table = np.append(sums / np.bincount(codes, minlength=len(numbering)), values.mean())
        found.append([table[places] for places in wanted])
    return found


def best_of(candidates: Sequence[Sequence[Array]], measured: Sequence[Array]) -> tuple[int, float] | None:
    """Which of k predictors correlates best with the measured activations, and how well; None when none varies."""
    found = [(correlation(told, measured), n) for n, told in enumerate(candidates)]
    known = [(value, -n) for value, n in found if value is not None]
    return (-max(known)[1], max(known)[0]) if known else None


def _looked_up(keys: Sequence[Sequence[Hashable]], measured: Sequence[Array]) -> list[Array]:
    check_lengths([np.empty(len(text)) for text in keys], measured)
    numbering: dict[Hashable, int] = {}
    codes = [np.array([numbering.setdefault(key, len(numbering)) for key in text], dtype=np.int64) for text in keys]
    sums, counts = np.zeros(len(numbering)), np.zeros(len(numbering))
    for code, values in zip(codes, measured, strict=True):
        np.add.at(sums, code, values)
        np.add.at(counts, code, 1.0)
    total, number = sums.sum(), counts.sum()
    found = []
    for code, values in zip(codes, measured, strict=True):
        kinds, place = np.unique(code, return_inverse=True)
        others = counts[kinds] - np.bincount(place, minlength=len(kinds))
        left = sums[kinds] - np.bincount(place, weights=values, minlength=len(kinds))
        elsewhere = (total - float(np.sum(values))) / max(1.0, number - len(values))
        means = np.where(others > 0, left / np.maximum(others, 1.0), elsewhere)
        found.append(means[place])
    return found
