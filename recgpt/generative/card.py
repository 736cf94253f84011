"""The model card of a saved generative model."""

from typing import TYPE_CHECKING

from huggingface_hub import ModelCardData

from recgpt.data.provenance import describe_past
from recgpt.terminal import markdown

if TYPE_CHECKING:
    from recgpt.generative.decoder_config import RecGPTConfig


def model_card(config: "RecGPTConfig") -> str:
    """README.md of a saved model: description, usage and training record."""
    data = ModelCardData(license="mit", library_name="recgpt", tags=["recommendation", "sequential-recommendation"])
    training = config.training or {}
    facts = {key: value for key, value in training.items() if key not in ("catalogues", "trained_on")}
    facts |= {"trained on": "; ".join(map(describe_past, training.get("trained_on", ()))) or "not recorded"}
    rows = "\n".join(f"| {key} | {markdown(value)} |" for key, value in facts.items())
    table = f"## Training\n\n| | |\n|-|-|\n{rows}\n" if training else "Training is not recorded in this folder.\n"
    encoder = markdown(config.text_encoder.get("encoder", "not recorded"))
    return f"""---
{data.to_yaml()}
---

# RecGPT

A decoder over item codes for sequential recommendation: {config.n_layers} layers x {config.d_model}, {config.n_codes}
codes an item from {config.codebook_size:,}, histories of up to {config.max_items} items. Item texts are embedded by
{encoder} (width {config.embedding_dim}).

```python
from recgpt import GenerativeModel

model = GenerativeModel.from_pretrained("this folder")
catalogue = model.index(["first item's text", "second item's text", "third item's text"])
print(catalogue.recommend([[0, 2]], k=1).ids)
```

{table}"""
