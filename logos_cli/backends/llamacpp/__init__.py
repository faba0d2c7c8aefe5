"""llama.cpp through its low-level bindings: batched decoding of GGUF files."""
