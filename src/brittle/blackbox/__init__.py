"""Networks that only answer: oracles with a budget and a memory, and substitutes that are learnt from their answers."""
