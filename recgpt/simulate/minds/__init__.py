"""How agents decide: `scripted`, `llm`, `replay`, `person`."""
