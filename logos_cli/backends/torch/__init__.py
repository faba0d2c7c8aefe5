"""PyTorch: Llama and Qwen3 decoders on CPU, CUDA and Apple GPUs."""
