"""Ablation studies with books."""
