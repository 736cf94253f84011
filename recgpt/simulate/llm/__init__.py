"""Language models for agents: a client for any server that speaks OpenAI's protocol, with its log and its limits."""
