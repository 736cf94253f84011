"""The published generative model: item text -> FSQ tokens -> a decoder that ranks the whole catalogue exactly."""
