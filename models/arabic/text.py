"""Lines of text: names, places, addresses, labels, numbers, and strings of letters that mean nothing."""

import hashlib
import os
import re

from charset import ARABIC_DIGITS, CODE, EXTRA, LATIN_WORD, LETTERS, MARKS

HERE = os.path.dirname(os.path.abspath(__file__))
HELD_OUT_SHARE = 1 / 7
LATIN_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyzéèç"


def held_out(word):
    """By digest, so that the same word is held out wherever it stands."""
    digest = hashlib.sha256(word.encode()).digest()
    return int.from_bytes(digest[:4], "big") < HELD_OUT_SHARE * 2**32


def sections(test):
    """{section: words}: those held out, or the others. Words of up to two letters are in both."""
    found, name = {}, None
    with open(os.path.join(HERE, "words.txt"), encoding="utf-8") as file:
        for line in file:
            if line.startswith("["):
                name = line.strip()[1:-1]
                found[name] = []
            elif name:
                found[name] += [w for w in line.split() if len(w) < 3 or held_out(w) == test]
    unreadable = {c for words in found.values() for word in words for c in word if c not in CODE}
    if unreadable:
        raise ValueError(f"words.txt has characters that are no class: {unreadable}")
    return {name: sorted(set(words)) for name, words in found.items()}


class Lines:
    def __init__(self, rng, test=False):
        self.rng, self.test = rng, test
        self.words = sections(test)
        # Pairs of neighbouring letters as the training words have them, for words that could exist.
        self.follow = {}
        for words in self.words.values():
            for word in words:
                for a, b in zip("^" + word, word + "$"):
                    self.follow.setdefault(a, []).append(b)

    def line(self):
        """(what is drawn, what must be read): they differ where vowel signs or Latin words are drawn."""
        r = self.rng.random()
        if r < 0.04 and not self.test:
            return self.latin()
        if r < 0.34:
            text = self.name()
        elif r < 0.56:
            text = self.address()
        elif r < 0.72:
            text = self.some("label", 1, 4) + (" " + self.rng.choice([":", self.number()]) if self.chance(0.3) else "")
        elif r < 0.80 or self.test:
            text = self.number() + (" " + self.number() if self.chance(0.3) else "")
        elif r < 0.91:
            text = " ".join(self.likely_word() for _ in range(self.rng.randint(1, 4)))
        else:
            text = " ".join(self.any_word() for _ in range(self.rng.randint(1, 3)))
        text = re.sub(r" +", " ", text).strip()
        return (self.vowelled(text) if self.chance(0.03) else text), text

    def chance(self, p):
        return self.rng.random() < p

    def some(self, section, least, most):
        return " ".join(self.rng.choice(self.words[section]) for _ in range(self.rng.randint(least, most)))

    def name(self):
        given = self.some(self.rng.choice(["male", "female"]), 1, 2)
        r = self.rng.random()
        if r < 0.3:
            return given
        if r < 0.5:
            return self.some("family", 1, 1)
        if r < 0.6:
            return given + self.rng.choice([" بن ", " بنت ", " ابن "]) + self.some("male", 1, 1)
        return given + " " + self.some("family", 1, 1)

    def address(self):
        if self.chance(0.35):
            return self.some("place", 1, 2)
        parts = [self.some("address", 1, 3)]
        if self.chance(0.6):
            parts.append(self.rng.choice(["رقم ", "", "", "/ "]) + self.number(short=True))
        if self.chance(0.5):
            parts.append(self.some(self.rng.choice(["address", "male", "family"]), 1, 2))
        if self.chance(0.5):
            parts.append(self.some("place", 1, 1))
        return self.rng.choice([" ", " ", " ", "، ", " - "]).join(parts)

    def number(self, short=False):
        digit = self.rng.choice([ARABIC_DIGITS, "0123456789"])
        run = lambda n: "".join(self.rng.choice(digit) for _ in range(n))
        if short:
            return run(self.rng.randint(1, 3))
        if self.chance(0.55):
            return self.rng.choice("/-.").join(self.rng.sample([run(2), run(2), run(4)], 3))
        return run(self.rng.randint(1, 14))

    def likely_word(self):
        word = ""
        while len(word) < 10:
            # Now and then any letter, so that no order of letters is taken for granted.
            step = (
                self.rng.choice(LETTERS + EXTRA)
                if self.chance(0.15)
                else self.rng.choice(
                    self.follow["^" if not word else word[-1]] if (word[-1:] or "^") in self.follow else ["$"]
                )
            )
            if step == "$":
                if len(word) > 1:
                    break
                continue
            word += step
        return word

    def any_word(self):
        letters = LETTERS + (EXTRA if self.chance(0.5) else "")
        word = "".join(self.rng.choice(letters) for _ in range(self.rng.randint(2, 8)))
        return word + self.rng.choice(MARKS) if self.chance(0.1) else word

    def latin(self):
        words = [
            "".join(self.rng.choice(LATIN_LETTERS) for _ in range(self.rng.randint(2, 9)))
            for _ in range(self.rng.randint(1, 3))
        ]
        if self.chance(0.6):
            words = [w.upper() for w in words]
        return " ".join(words), " ".join(LATIN_WORD for _ in words)

    def vowelled(self, text):
        return "".join(c + self.rng.choice("ًٌٍَُِّْ") if c in LETTERS[8:] and self.chance(0.2) else c for c in text)
