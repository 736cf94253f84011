"""The foundation model: it learns on many catalogues how evidence speaks, and then reads one it has never seen.

    model = FoundationModel.from_pretrained("ckpt/recgpt-minilm")
    catalogue = model.index(items, interactions=past)       # texts, and what is known of anybody's past; no gradient
    ranking = catalogue.recommend([[3, 14]], k=10)

`reading` makes evidence of a catalogue, `network` weighs it, `model` is what users meet, `episodes` and `pretrain` are
how it was trained, `explain` says why an item is where it is.
"""
