"""The words of crypto and what they are worth to VADER."""

import hashlib
from functools import cache
from importlib import resources

FILE = "crypto_lexicon.tsv"


@cache
def crypto_lexicon() -> dict[str, float]:
    """Return words in lower case and their valence, from -4 (worst) to 4 (best); 0 makes a word of VADER's neutral.

    The file has a word, a tab and its valence a line; lines that begin with "#" say why the words below them are there.

    Raises:
        ValueError: a line is none of these, or says a word twice.
    """
    lexicon: dict[str, float] = {}
    for number, line in enumerate(_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        word, tab, valence = line.partition("\t")
        if not tab or word != word.lower() or word in lexicon or abs(float(valence)) > 4:
            raise ValueError(
                f"{FILE} line {number}: expected a new word, a tab and a valence of -4 to 4, found {line!r}"
            )
        lexicon[word] = float(valence)
    return lexicon


@cache
def lexicon_version() -> str:
    """Name the lexicon by its content: the first 8 hex digits of its SHA-256."""
    return hashlib.sha256(_text().encode()).hexdigest()[:8]


def _text() -> str:
    return resources.files("sentiment").joinpath(FILE).read_text(encoding="utf-8")
