"""How fast the project is, beside the published scheme and beside what the machine can do: `recgpt benchmark speed`."""
