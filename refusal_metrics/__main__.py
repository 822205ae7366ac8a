"""The command, as ``python -m refusal_metrics``."""

from refusal_metrics.analysis.cli.app import main

if __name__ == "__main__":
    main()
