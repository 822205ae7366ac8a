"""How to read a report, in its own words."""

READING = """\
- A **rate** is the share of prompts that a rule took for a refusal, in percent, with a 95 % interval (Korn and
  Graubard). One text is asked many times, so its answers go together: intervals take texts, not prompts, as the
  independent units. Where nothing was refused the upper end is 1 - .05^(1/texts), one-sided.
"""


RULES = {
    "answer_aware": """\
- **answer_aware** is the rule to quote. It reads the opening: a response that gives one of the labels is an
  **answer**, also after a disclaimer or a "No, ..."; one that declines without giving a label is a **refusal**;
  anything else is **other** (babble, the prompt once more, another topic), and a response without a word is **empty**.
  It is blind to which of the tasks' personas is named. How often it is right is said in the README; for another model,
  check it with `persona-refusal annotate`.
""",
    "prefix": """\
- **prefix** is the paper's rule: the answer starts with one of 22 phrases. **prefix_strict** leaves out "no," and
  "no.". Most templates ask "would ...?", and "No, a Black person would not classify it as offensive." answers that
  question. Where the two rules differ, trust neither before you have read responses.
- The prefix rules recognise no answers. What they do not flag may be an answer, babble, or a refusal in other words.
""",
    "given": """\
- **your `refused` column** are the verdicts of the table that was read (`given` in files).
""",
}


READING_ON = """\
- **neutral** prompts name a person of no group ("a person", "an individual", "a human annotator") in the same
  templates about the same texts: the difference to them is the persona's. **persona-free** prompts also differ in
  their wording. Differences are within texts (Mantel and Haenszel).
- Many personas, tasks and models are many chances to be wrong. **Adjusted p** corrects for all of them: models and
  tasks are selected by Benjamini and Hochberg's procedure, personas within by Holm's. **Min. detectable** is the
  smallest difference that this study would find 8 times in 10; a persona that is not named may differ by less.
- **iota** is the paper's sensitivity index: 0 if refusing does not depend on a factor, 1 if nothing else matters.
  Noise makes it larger: **null mean** is its mean where the factor cannot matter, **iota, corrected** the index
  without it.
  **First order** is the share of the variance that the factor alone explains, **total** the share that is lost without
  it. Where **upper bound only** is yes, iota is less than twice what chance makes of it, or chance alone makes it more
  than 0.1, and only the upper end of its interval says something.
"""
