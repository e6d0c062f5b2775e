"""The classes of the recogniser, and the order in which it meets them.

The network sees the picture as it is and walks from left to right, so its target is the line in
*visual* order: Arabic reversed, numbers as they stand. `visual` and `logical` turn one into the other
and are each other's inverse on text whose numbers are joined by single separators; the worker's
`arabic.rs` does what `logical` does.
"""

import re

LETTERS = "ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىي"
EXTRA = "پچژگڤڭ"
ARABIC_DIGITS = "٠١٢٣٤٥٦٧٨٩"
LATIN_DIGITS = "0123456789"
MARKS = "/-.:،"
LATIN_WORD = "¤"  # one for a whole word of Latin letters: says "not Arabic", not what it says
CHARACTERS = LETTERS + EXTRA + ARABIC_DIGITS + LATIN_DIGITS + MARKS + LATIN_WORD + " "
BLANK = 0
CLASSES = len(CHARACTERS) + 1
CODE = {c: i + 1 for i, c in enumerate(CHARACTERS)}

# What reads left to right inside an Arabic line: digits, and single marks between two of them. A dash parts
# Arabic-Indic numbers, and what it parts is set from right to left (Unicode's bidirectional algorithm, rule W4).
NUMBER = re.compile(r"[0-9]+(?:[/.:،-][0-9]+)*|[٠-٩]+(?:[/.:،][٠-٩]+)*")


def turned(text):
    """Logical to visual order, and back."""
    return NUMBER.sub(lambda m: m[0][::-1], text)[::-1]


visual = logical = turned


def encode(text):
    return [CODE[c] for c in visual(text)]


def decode(best):
    """CTC's best path: repetitions and blanks dropped, then into logical order."""
    out, before = [], BLANK
    for k in best:
        if k != before and k != BLANK:
            out.append(CHARACTERS[k - 1])
        before = k
    return logical("".join(out)).strip()
