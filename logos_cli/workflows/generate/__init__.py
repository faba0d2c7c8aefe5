"""Completing prompts with a language model."""
