"""GGUF files: header, vocabulary, writer."""
