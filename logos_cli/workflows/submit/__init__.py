"""Submit the shards of a run to workers of this machine or of a cluster, through Parsl."""
