"""The vocabulary of `bot/`: words that the project coined give way to the field's standard terms."""

import ast
import io
import re
import tokenize

from tests.tidy import House

# The word and what to write instead. Stored names (journal fields, reasons, settings) are strings or fields and stay.
COINED_WORDS = {
    "companion": "embedded exchange",
    "dear": "expensive",
    "descent": "symbol_history",
    "house": "project, bot",
    "outlived": "no_longer_justified",
    "pledged": "reserved",
    "poke": "control request",
    "scene": "context",
    "seldom": "less often",
    "tell": "report, notify, on_progress",
    "tells": "reports, shows",
    "told": "reported, known",
    "twin": "unknown own order",
    "wager": "directional position",
    "wagers": "directional positions",
}
_ANY_COINED = re.compile(rf"(?<![a-z])(?:{'|'.join(COINED_WORDS)})(?![a-z])")
CLEANED = ("bot/",)  # all of bot/
EXEMPT = frozenset({("bot/lab/sweep/", "tell"), ("bot/domain/reason.py", "dear")})  # ask and tell; a stored reason


def standard_terms_are_used(house: House) -> list[str]:
    """Identifiers, docstrings and comments of `bot/` use the field's terms."""
    return [
        f"{module.path}:{line} says {word!r}; write {COINED_WORDS[word]}"
        for module in house.modules
        if module.path.startswith(CLEANED)
        for line, word in sorted(_coined(module.source, module.tree))
        if not any(module.path.startswith(path) and word == exempt for path, exempt in EXEMPT)
    ]


def _in_words(text: str) -> str:
    """Names are words with a capital or a line between them."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text).lower()


def _coined(source: str, tree: ast.Module) -> set[tuple[int, str]]:
    if not _ANY_COINED.search(_in_words(source)):
        return set()  # most modules: to take one apart takes longer than all other rules together
    docstrings = {
        node.body[0].lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and ast.get_docstring(node) is not None
    }
    found = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        is_prose = token.type == tokenize.COMMENT or (
            token.type == tokenize.STRING and token.start[0] in docstrings and token.string.startswith('"""')
        )
        if (token.type == tokenize.NAME and not token.string.isupper()) or is_prose:
            for number, text in enumerate(token.string.splitlines()):
                words = re.findall(r"[a-z]+", _in_words(text))
                found |= {(token.start[0] + number, word) for word in words if word in COINED_WORDS}
    return found
