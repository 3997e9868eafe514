"""Which refusals the tests meet through a helper that asserts unchanged state: read from sources.

A helper is a function that takes the class of a refusal and hands it on: to `without_effect`'s
comparison, that is to a function which calls `without_effect`, directly or through other helpers.
A refusal counts where its class is an argument of a helper, or one of the values that the argument
stands for: of a loop, or of the test's parameters.
"""

import ast
from collections.abc import Iterable, Iterator

ROOT_OF_HELPERS = "without_effect"
Function = ast.FunctionDef | ast.AsyncFunctionDef


def refusals_in(sources: Iterable[str]) -> set[str]:
    """Return the names handed to helpers as refusals, by all these modules together."""
    modules = [ast.parse(source) for source in sources]
    functions = [(one, module) for module in modules for one in _functions(module)]
    helpers = _helpers([one for one, _ in functions])
    found: set[str] = set()
    for function, module in functions:
        handed = _handed_over(function, helpers)
        for name in list(handed):
            handed |= _values_of(name, function)
        for scope in (function, module):
            tables = _tables(scope)
            for name in handed & tables.keys():
                handed |= tables[name]
        found |= handed
    return found


def _functions(module: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(module) if isinstance(node, Function))


def _helpers(functions: list[Function]) -> set[str]:
    """Return the names of functions that take a refusal and see to it that nothing changes."""
    takers = [(one, name) for one in functions if (name := _reject_parameter(one))]
    helpers = {one.name for one, _ in takers if ROOT_OF_HELPERS in _called(one)}
    while True:
        more = {one.name for one, name in takers if name in _handed_over(one, helpers)} - helpers
        if not more:
            return helpers
        helpers |= more


def _reject_parameter(function: Function) -> str | None:
    """Return the parameter of a function that is the class of a refusal, if it has one."""
    for one in (*function.args.args, *function.args.kwonlyargs):
        if one.annotation is not None and ast.unparse(one.annotation) == "type[Reject]":
            return one.arg
    return None


def _called(function: Function) -> set[str]:
    return {name for name, _ in _calls(function)}


def _calls(function: Function) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Attribute):
                yield called.attr, node
            elif isinstance(called, ast.Name):
                yield called.id, node


def _handed_over(function: Function, helpers: set[str]) -> set[str]:
    """Return the names that a function hands to helpers."""
    return {
        name
        for called, node in _calls(function)
        if called in helpers
        for argument in (*node.args, *(one.value for one in node.keywords))
        for name in _names(argument)
    }


def _names(node: ast.AST) -> set[str]:
    """Return names, and the last parts of dotted ones, as in `words.UnknownZone`."""
    names = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    return names | {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}


def _values_of(name: str, function: Function) -> set[str]:
    """Return the names among the values that a loop or a parameter of the test takes."""
    found: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.For) and name in _names(node.target):
            found |= _names(node.iter)
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and "parametrize" in _names(decorator.func):
            named, *values = decorator.args
            told = {one.value for one in ast.walk(named) if isinstance(one, ast.Constant)}
            if name in told or any(name in str(one).replace(" ", "").split(",") for one in told):
                found |= {one for value in values for one in _names(value)}
    return found


def _tables(scope: ast.Module | Function) -> dict[str, set[str]]:
    """Return the names in what a module or function assigns, by the name it is assigned to."""
    found: dict[str, set[str]] = {}
    for node in scope.body:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name):
                found[target.id] = _names(value)
    return found
