"""Ablation studies with films."""
