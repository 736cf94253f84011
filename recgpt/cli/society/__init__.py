"""Commands of the society: `recgpt simulate society`, `recgpt recagent`, `recgpt runs interview`."""
