"""Defensive distillation, and what gradients of its softmax loss say of it."""
