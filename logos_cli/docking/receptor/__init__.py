"""Convert a structure to a receptor: selection, repair, protonation, atom types, flexible side chains."""
