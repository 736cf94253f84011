"""Catalogues and interactions: on disk, in memory, read from public sources, split, packed. Independent of models."""
