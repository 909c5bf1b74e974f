"""The output side of a unit: what it writes, what is lost without it, and what it brings about when it is high.

After "Enhancing Automated Interpretability with Output-Centric Feature Descriptions" (Gur-Arieh et al. 2025,
arXiv:2501.08319), whose VocabProj is step 1 and TokenChange step 3.

1. Lens (lens.py). The unit's output direction times the gain of the final norm, less its mean where that norm takes the
   mean away (LayerNorm), times the unembedding: one number a token, told in deviations from its mean over the
   vocabulary, so that no scale enters. Its floor is what one in ten of 64 other units of the layer exceeds with its own
   largest number, at either end. The norm's denominator is left out: it changes no order. Caps and scales of logits are
   left out too.
2. Ablation (measuring.py). Contexts of up to 32 tokens (contexts.py) that end where the unit fires; at that last token
   alone its value is set to zero, or to its mean over the given pages, and KL(p || p ablated) of the next token is
   read, in nats. Floors: the same at as many tokens where the unit stays near silence; and other units of the layer
   moved, at the same tokens, by as much as the ablation moves this one, so that it is the direction that has to count:
   the highest of five. (Other units that are only set to zero are silent there as a rule, which every unit beats.) KL
   has no upper bound, so there is no ceiling.
3. TokenChange. At the end of the silent contexts the unit is set to its high quantile, and the probabilities of the
   next token before and after are compared, averaged over contexts. Its floor: the highest, over five other units of
   the layer, of their largest mean rise, or fall, when they are moved by as much.

The beginning of each context runs once and is kept (interventions.py); every change costs one token more. A change of a
feature moves x along its decoder row, so that what the dictionary does not explain stays. `subject.passes` counts rows.
Refuses to know what a token means.
"""

from tools.effects.found import Ablation, Among, Effects, Pull, told
from tools.effects.measuring import effects

__all__ = ["Ablation", "Among", "Effects", "Pull", "effects", "told"]
