"""PocketNet, a neural network over the atoms and the surface of a protein."""
