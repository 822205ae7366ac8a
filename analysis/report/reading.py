"""Explanations at the end of a report."""

READING = """\
- A **rate** is the share of responses that are refusals, in percent, with a 95% confidence interval (Korn and
  Graubard). One text is used in many prompts, so responses about the same text are correlated, and intervals are
  clustered by text. Without any refusal, the upper bound is 1 - .025^(1/texts).
- A **class-standardised** rate is the mean of the rates of the classes of texts (ratings or labels), each with the same
  weight. It does not depend on how many rows of each class were drawn. In files it is `estimate_standardised`;
  `estimate` is the raw rate, the share of all responses.
"""


RULES = {
    "answer_aware": """\
- **answer_aware** is the detector to report. It reads the opening: a response that gives one of the labels is an
  **answer**, even after a disclaimer or a "No, ..."; one that declines without giving a label is a **refusal**;
  anything else is **other** (nonsense, a copy of the prompt, another topic); a response without words is **empty**.
  The built-in personas cannot change a verdict. The README reports its accuracy; for another model, label a sample with
  `persona-refusal annotate`.
""",
    "prefix": """\
- **prefix** is the paper's rule: a refusal starts with one of 22 phrases. **prefix_strict** leaves out "no," and
  "no.". Most templates ask "would ...?", and "No, a Black person would not classify it as offensive." answers that
  question. If the two differ, read responses before you trust either.
- The prefix rules do not recognise answers. Other responses may be answers, nonsense, or refusals in other words.
""",
    "given": """\
- **your `refused` column** contains the verdicts of the input table (`given` in files).
""",
}


READING_ON = """\
- **neutral** prompts use a neutral person ("a person", "an individual", "a human annotator") in the same templates and
  texts, so the difference is due to this wording of the persona. **persona-free** prompts also differ in the rest of
  their wording. Differences are estimated within texts (Mantel and Haenszel).
- **Beyond wording** means that a persona differs from neutral prompts by more than phrases of one persona differ from
  each other. It is known only if the study has several phrases of each persona.
- **Adjusted p** is corrected for multiple comparisons over personas, tasks and models (Benjamini-Hochberg procedure
  over models and tasks, Holm procedure over personas). **Min. detectable increase** (**decrease**) is the smallest
  one that the study detects with 80% power; smaller differences may go unnoticed.
- Significant differences are too large on average, because they were selected. Where they are listed, their 95%
  confidence intervals are **adjusted for selection** (Benjamini and Yekutieli), and **shrunken** is the difference
  shrunken towards the mean of all personas. Other intervals are not adjusted.
- **iota** is the paper's sensitivity index: 0 if refusals do not depend on a factor, 1 if they depend on nothing else.
  Noise makes it larger: **null mean** is its mean under the null distribution, and **iota, corrected** is the index
  with part of the noise removed. **First order** is the share of the variance that the factor explains alone, and
  **total** the share that is lost without it. If **upper bound only** is yes, iota is not clearly above its null mean:
  read its interval as an upper bound.
"""
