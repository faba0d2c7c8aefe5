"""Training: a corpus of sentences as token shards, packing, and the loop.

It needs torch, transformers, tokenizers, numpy and safetensors only, so that it runs without the libraries of
chemistry. The layers above make sentences from files.
"""
