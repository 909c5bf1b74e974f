"""Certificates: for each clause the minimal pairs among the measured texts that bear it out, or do not.

A pair is two texts measured for it, one change apart, at the end of which the clause holds in one and not in the other
while no other clause of the rule changes its truth. It bears the clause out when the value moves the clause's way by
more than a third of what the clause says.
"""

from collections.abc import Sequence
from dataclasses import replace

from agents.weighing import MOVED, sides
from memory.records import Certificate, Clause, Record, Rule
from tools.rules import predict_text, text_of

BESIDE = 0.1  # of the clause's own change, that the other clauses may change together
SHOWN = 6  # pairs a certificate names
ENOUGH = 0.6  # of the pairs have to bear a clause out


def certified(rule: Rule, asked: Sequence[Record]) -> tuple[Certificate, ...]:
    """The certificate of every clause that has a pair, by the clause's number."""
    pairs = sides(asked)
    truths = [([_true(clause, one) for clause in rule.clauses], [_true(clause, two) for clause in rule.clauses])
              for one, two in pairs]  # fmt: skip
    return tuple(filter(None, (_certificate(number, pairs, truths) for number in range(len(rule.clauses)))))


def borne_out(rule: Rule, certificates: Sequence[Certificate]) -> Rule:
    """The rule with only those clauses that minimal pairs bear out."""
    good = {each.clause for each in certificates if each.held >= ENOUGH * each.of}
    return replace(rule, clauses=tuple(clause for number, clause in enumerate(rule.clauses) if number in good))


def _certificate(
    number: int,
    pairs: Sequence[tuple[Record, Record]],
    truths: Sequence[tuple[list[float], list[float]]],
) -> Certificate | None:
    found = []
    for (one, two), (here, there) in zip(pairs, truths, strict=True):
        moves = here[number] - there[number]
        beside = sum(abs(a - b) for n, (a, b) in enumerate(zip(here, there, strict=True)) if n != number)
        alone = beside <= BESIDE * abs(moves)
        if alone and moves:
            higher, lower = (one, two) if moves > 0 else (two, one)
            found.append((higher.id, lower.id, higher.values[-1] - lower.values[-1], abs(moves)))
    if not found:
        return None
    found.sort(key=lambda pair: -pair[2])
    held = [pair for pair in found if pair[2] > MOVED * pair[3]]
    shown = [*held[:SHOWN], *[pair for pair in found if pair not in held][-1:]]
    change = sum(pair[2] for pair in found) / len(found)
    return Certificate(number, tuple((a, b) for a, b, _, _ in shown), round(change, 5), len(held), len(found))


def _true(clause: Clause, record: Record) -> float:
    """What the clause adds at the text's end."""
    return predict_text(Rule(0.0, (clause,)), text_of(record.tokens))[-1]
