"""Adversarial examples in the physical world (Kurakin, Goodfellow & Bengio, ICLR 2017 workshop)."""
