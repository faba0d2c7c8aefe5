"""One file per command; the file name is the name on the command line."""
