"""In-context recommender: meta-trained on many data sets, applied to a new catalogue without gradient steps.

    model = FoundationModel.from_pretrained("ckpt/recgpt-minilm")
    catalogue = model.index(items, interactions=past)       # texts and past interactions; no gradient step
    ranking = catalogue.recommend([[3, 14]], k=10)

`catalogue_features` computes the inputs of the `network`; `model` and `catalogue` are the public classes; `calibration`
adapts logits to one catalogue; `episodes`, `pretrain` and `finetune` train; `explain` attributes a score to features.

Shapes, beside B queries (histories), N items, E text width and D model width: M candidates of a query, S history items
read, R relations of a history item with a candidate, P features of a history item, F features of a candidate, X
features of a query, G attention patterns, H hidden units of the MLP, I = G R + R + F its inputs for a candidate.
"""
