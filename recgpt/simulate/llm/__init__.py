"""Client of language models for agents: any OpenAI-compatible server, with call log, caps and retries."""
