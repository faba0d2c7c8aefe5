"""A tokenised corpus on disk: shards, vocabulary, mixture of domains, packing into rows."""
