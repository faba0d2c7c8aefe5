"""Training: a corpus of sentences as token shards, packing, and the loop.

Needs torch, transformers, tokenizers, numpy and safetensors only, so that it runs where no chemistry is
installed; what makes sentences from files belongs to the layers above.
"""
