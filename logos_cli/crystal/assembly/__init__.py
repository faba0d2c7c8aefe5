"""Assemble frameworks from nodes and linkers on a known net."""
