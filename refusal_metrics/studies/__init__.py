"""Runs of many models, shard by shard, resumable."""
