"""Many models asked, shard by shard, resumable."""
