"""The sentences about lines of sample logs."""

from .lines import INCOMPLETE, NO_RESPONSE, REPLACED, SEVERAL, TWICE, UNREADABLE
from .prompts import OTHER_DOC, OTHER_TEXT
from .scan import ABSENT, INVALID, NEWER, NO_FIELD, NO_INDEX, NO_OBJECT, OLDER

OF_FILES = {
    INCOMPLETE: "{lines} dropped: a run was cut off while it wrote its log.",
    UNREADABLE: "{lines} left out: not readable as JSON.",
    REPLACED: "{lines} contained characters that are not valid Unicode; they were replaced by U+FFFD.",
    SEVERAL: "{lines} contained several responses; the first of each was used.",
}


LEFT_OUT = {
    NO_RESPONSE: "{lines} left out: no response that can be read.",
    TWICE: "{lines} left out: a field has two values.",
    NO_INDEX: "{lines} left out: the index is not a whole number.",
    NO_FIELD: "{lines} left out: the doc lacks a design_id, text_id, kind, setting or template.",
    NO_OBJECT: "{lines} left out: no doc.",
}


JUDGED = {
    ABSENT: "{lines} without the metrics of this version: judged from their responses.",
    INVALID: "{lines} with metrics that are not 0 or 1, or contradict each other: judged again from their responses.",
    OLDER: "{lines} judged by another version of the rules: judged again from their responses by version {version}.",
    NEWER: (
        "{lines} judged by a newer version of the rules than this one ({version}): judged again from their responses; "
        "install the newer version to keep its verdicts."
    ),
}


WRONG = {
    OTHER_TEXT: "without the text of the doc",
    OTHER_DOC: "about another persona or template than the doc names",
}
