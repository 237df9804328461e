import ast
import inspect
from pathlib import Path

import betafold_ext


def test_stubs_have_the_signatures_of_the_functions():
    tree = ast.parse(Path(betafold_ext.__file__).with_name("__init__.pyi").read_text())
    stubs = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert set(stubs) == set(betafold_ext.__all__)
    for name, stub in stubs.items():
        if name == "isa":
            continue
        parameters = inspect.signature(getattr(betafold_ext, name)).parameters
        assert [a.arg for a in stub.args.args + stub.args.kwonlyargs] == list(parameters)
        assert [ast.literal_eval(d) for d in [*stub.args.defaults, *stub.args.kw_defaults]] == [
            p.default for p in parameters.values() if p.default is not inspect.Parameter.empty
        ]
