"""Rules of docstrings: a public function says what its types do not, which is what it raises and what a tuple holds.

The docstrings of `bot/cli` are the help texts of the commands, so they are left out.
"""

import ast
import re
from collections.abc import Iterator

from tests.tidy import Function, House, protocols

DOCUMENTED = (
    *("domain", "playbook", "risk", "ports", "journal", "execution", "venues", "feeds", "report", "runtime"),
    *("operate", "lab", "simex"),
)
UNNAMED = re.compile(r"\b(?:str|int|float|bool|Decimal|Mapping\[.*\])(?: \| None)?")
EXPLAINED = re.compile(r"Returns|\([^)]+, [^)]+\)|\b(?:and|beside|with)\b")
OURS = frozenset({"NotImplementedError", "AssertionError"})


def exceptions_are_named(house: House) -> list[str]:
    """The docstring of a public function, or of its class, names each exception that the function itself raises."""
    return [
        f"{path}:{function.lineno} {function.name} raises {name}; its docstring has to say when (Raises)"
        for path, function, text in _public_functions(house)
        for name in sorted(_raised(function) - OURS)
        if name not in text
    ]


def classes_say_what_they_are(house: House) -> list[str]:
    """Every public class of a module has a docstring."""
    return [
        f"{module.path}:{node.lineno} {node.name} has no docstring; say what it is"
        for module in house.modules
        for node in module.tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]


def tuples_are_explained(house: House) -> list[str]:
    """A docstring says what the elements of a returned tuple are where one of them is a bare number, text or mapping:
    as (a, b), as "a and b" or "a with b", or under Returns."""
    return [
        f"{path}:{function.lineno} {function.name} returns a tuple; its docstring has to say of what, as (a, b)"
        for path, function, _ in _public_functions(house)
        if any(UNNAMED.fullmatch(ast.unparse(one)) for one in _elements(function.returns))
        and not EXPLAINED.search(ast.get_docstring(function) or "")
    ]


def _public_functions(house: House) -> Iterator[tuple[str, Function, str]]:
    """(path, function, docstring of it and its class) of the documented packages. A port says its own."""
    declared = {
        method.name
        for module in house.modules
        for protocol in protocols(module.tree)
        for method in protocol.body
        if isinstance(method, Function)
    }
    for module in house.modules:
        if not module.path.removesuffix(".py").startswith(tuple(f"bot/{place}" for place in DOCUMENTED)):
            continue
        for node in module.tree.body:
            owner = node if isinstance(node, ast.ClassDef) and not node.name.startswith("_") else None
            for function in owner.body if owner else [node]:
                if not isinstance(function, Function) or function.name.startswith("_"):
                    continue
                if owner is not None and function.name in declared:
                    continue
                text = f"{ast.get_docstring(function)} {ast.get_docstring(owner) if owner else ''}"
                yield module.path, function, text


def _raised(function: Function) -> set[str]:
    """Names of the exceptions that stand in `raise` statements of the function itself."""
    found, rest = set(), list[ast.AST](function.body)
    while rest:
        node = rest.pop()
        if isinstance(node, Function | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(node, ast.Raise) and node.exc is not None:
            raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            found.add(ast.unparse(raised).rpartition(".")[2])
        rest += ast.iter_child_nodes(node)
    return {name for name in found if name[:1].isupper()}


def _elements(returned: ast.expr | None) -> list[ast.expr]:
    """The elements of a tuple of fixed length, none of any other type."""
    if isinstance(returned, ast.BinOp) and isinstance(returned.op, ast.BitOr):
        return [*_elements(returned.left), *_elements(returned.right)]
    if not (isinstance(returned, ast.Subscript) and ast.unparse(returned.value) == "tuple"):
        return []
    inside = returned.slice.elts if isinstance(returned.slice, ast.Tuple) else []
    return [] if any(isinstance(one, ast.Constant) and one.value is ... for one in inside) else list(inside)
