"""proto"""

from collections.abc import Sequence
import numpy as np
from scipy.optimize import nnls
from agents.statistical import few_conditions as fc
from agents.statistical.few_questions import Ground, Likeness, ALIKE, NEARER, _others
from memory.records import Rule, Clause, Predicate
from tools import rules
from tools.pages import Page

SHRINK = 1.0


class Table:
    def __init__(self, g, feature):
        self.feature = feature
        self.names, self.codes = np.unique(np.array(g.told(feature)), return_inverse=True)
        self.f = np.zeros((len(self.names), g.number))
        self.n = np.zeros_like(self.f)
        np.add.at(self.f, (self.codes, g.sentence), g.values)
        np.add.at(self.n, (self.codes, g.sentence), 1.0)
        self.g = g

    def fit(self, out):
        learn = np.ones(self.g.number, bool)
        if out >= 0:
            learn[out] = False
        self.level = self.f[:, learn].sum(1) / (self.n[:, learn].sum(1) + SHRINK)
        return self

    def predicted(self):
        return self.level[self.codes]


class Card:
    def __init__(self, g, unit):
        self.g = g
        self.like = Likeness(g, unit)

    def fit(self, out):
        cols = []
        for kind, ps in (("like", ALIKE), ("nearer", NEARER)):
            near = self.like.nearness(kind, out)
            cols += [near >= p / 100 for p in ps]
        X = np.array(cols, float).T
        m = self.g.sentence != out
        A = np.concatenate([X[m], np.eye(X.shape[1]) * 1.0])
        b = np.concatenate([self.g.values[m], np.zeros(X.shape[1])])
        self.w, _ = nnls(A, b)
        self.X = X
        return self

    def predicted(self):
        return self.X @ self.w


class Conds:
    def __init__(self, g):
        self.g = g
        self.prices = np.array([q.price for q in g.questions])

    def fit(self, out):
        self.X = np.array([q.held(out) for q in self.g.questions])
        self.stages = fc.learned(self.X, self.prices, self.g.values, (self.g.sentence != out).astype(float))
        return self

    def predicted(self):
        return fc.predicted(self.stages, self.X)


def components(g):
    return {
        "token": Table(g, "any-case"),
        "previous": Table(g, "previous"),
        "card": Card(g, "word"),
        "phrase": Card(g, "phrase"),
        "conds": Conds(g),
    }
