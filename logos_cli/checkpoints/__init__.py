"""A model as files: where it lies, its configuration, tokenizer and weights."""
