"""Experiments of RecAgent's paper (Wang et al., TOIS 43(2):55, 2025), section 4, with controls and intervals."""
