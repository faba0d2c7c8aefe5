"""``logos submit``: run the shards of a command on workers of this machine or of a cluster."""
