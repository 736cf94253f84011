"""Commands of the town: `recgpt town`, `recgpt simulate town`."""
