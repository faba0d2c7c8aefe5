"""transformers: any causal language model that ``AutoModelForCausalLM`` loads."""
