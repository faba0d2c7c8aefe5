"""Bytes in and out: inputs, outputs, compression, unique ids."""
