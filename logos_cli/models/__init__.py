"""Models as files: which there are, fetching, converting, quantizing, and telling whether they are sound."""
