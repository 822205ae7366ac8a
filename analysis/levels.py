"""The levels of the package's own tasks, in the order in which they are shown."""

TASKS = {"nli": "NLI", "politeness": "Politeness", "offensiveness": "Offensiveness"}
"""How the tasks are written, in the paper's order."""

RESPONSE_TYPES = ("unforced", "semi-forced", "forced")
SETTINGS = ("persona", "neutral", "persona-free")
