"""A server that speaks the completions interface of OpenAI."""
