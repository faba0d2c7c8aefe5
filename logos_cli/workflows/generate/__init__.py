"""Complete prompts with a language model."""
