"""The evaluation tasks, as YAML for lm-evaluation-harness."""
