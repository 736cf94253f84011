"""Recommenders of this package in the harnesses of RecTools, LensKit and Cornac, on the data set objects of each.

Shapes: as `recgpt.recommenders` has them; U users and N items are numbered as in the data set of the other library.
"""
