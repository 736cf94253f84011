"""Catalogues and interactions: on disk, in memory, read from public sources, split, packed. Knows nothing of models."""
