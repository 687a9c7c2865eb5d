"""House rules of the package: documented and typed in full, nothing seeded, printed or moved."""

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys

import pytest
from torch import Tensor

import dgm_teach
from tools import project

NAMES = [info.name for info in pkgutil.walk_packages(dgm_teach.__path__, "dgm_teach.")]
MODULES = {name: importlib.import_module(name) for name in NAMES}
SOURCES = {name: inspect.getsource(module) for name, module in MODULES.items()}


def public(module):
    """Functions and classes that a module defines for others."""
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(thing) or inspect.isclass(thing):
            yield f"{module.__name__}.{name}", thing


PUBLIC = {name: thing for module in MODULES.values() for name, thing in public(module)}
FUNCTIONS = {name: thing for name, thing in PUBLIC.items() if inspect.isfunction(thing)}
# The self-checks speak to students: each prints one line, takes answers and returns True or False.
# The module's docstring says so once for all of them.
LIBRARY = [name for name in FUNCTIONS if not name.startswith("dgm_teach.checks.")]
every_module = pytest.mark.parametrize("name", NAMES)
every_function = pytest.mark.parametrize("name", FUNCTIONS)
every_library_function = pytest.mark.parametrize("name", LIBRARY)


def section(docstring, title):
    """Text below a numpydoc heading, or None."""
    found = re.search(rf"^{title}\n-+\n(.*?)(?=\n\n\w+\n-+\n|\Z)", docstring, re.DOTALL | re.M)
    return found and found.group(1)


def documented(entries):
    """Names that a section explains, each on a line of its own or several with commas."""
    lines = [line for line in entries.splitlines() if line and not line.startswith(" ")]
    return [name.strip().lstrip("*") for line in lines for name in line.split(":")[0].split(",")]


def test_the_package_was_found():
    assert "dgm_teach.gaussian" in NAMES
    assert "dgm_teach.gaussian.gaussian_kl" in FUNCTIONS
    assert "dgm_teach.vae.VAE" in PUBLIC
    assert not any(name.startswith("dgm_teach.vae_training.VAE.") for name in PUBLIC)


@every_module
def test_every_method_has_a_docstring(name):
    """A function inside a self-check, which only gives it a shape to compare, needs none."""
    tree = ast.parse(SOURCES[name])
    nodes = tree.body if name.startswith("dgm_teach.checks.") else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), node.name


@every_module
def test_docstrings_of_public_names_are_raw(name):
    lines = SOURCES[name].splitlines()
    for node in ast.parse(SOURCES[name]).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            first = lines[node.body[0].lineno - 1].strip()
            assert first.startswith('r"""'), node.name


@every_library_function
def test_every_parameter_is_explained(name):
    function, docstring = FUNCTIONS[name], inspect.getdoc(FUNCTIONS[name])
    parameters = list(inspect.signature(function).parameters)
    explained = section(docstring, "Parameters")
    assert documented(explained or "") == parameters


@every_library_function
def test_every_result_is_explained(name):
    function, docstring = FUNCTIONS[name], inspect.getdoc(FUNCTIONS[name])
    returns = inspect.signature(function).return_annotation
    nothing = returns in (None, "None") or "Iterator[None]" in str(returns)
    assert (section(docstring, "Returns") is None) == nothing


@every_library_function
def test_every_error_raised_is_explained(name):
    body = ast.parse(inspect.getsource(FUNCTIONS[name]).lstrip())
    raised = {
        node.exc.func.id
        for node in ast.walk(body)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
    }
    explained = section(inspect.getdoc(FUNCTIONS[name]), "Raises") or ""
    assert raised <= set(documented(explained))


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in FUNCTIONS
        if name.split(".")[1] in ("gaussian", "likelihoods", "vae", "linear_gaussian", "evaluate")
        and "Tensor" in str(inspect.signature(FUNCTIONS[name]).return_annotation)
    ],
)
def test_a_density_or_bound_names_its_oracle(name):
    assert "Oracle: " in (section(inspect.getdoc(FUNCTIONS[name]), "Notes") or "")


@every_library_function
def test_every_annotation_is_there_and_every_tensor_has_a_shape(name):
    signature = inspect.signature(FUNCTIONS[name])
    annotations = {key: part.annotation for key, part in signature.parameters.items()}
    annotations["return"] = signature.return_annotation
    for key, annotation in annotations.items():
        assert annotation is not inspect.Signature.empty, key
        assert annotation is not Tensor, f"{key} has no shape"


@every_module
def test_nothing_is_printed_moved_or_seeded(name):
    banned = {"print", "manual_seed_all", "seed", "cuda"}
    if name == "dgm_teach.checks.report":
        banned.remove("print")
    calls = [node.func for node in ast.walk(ast.parse(SOURCES[name])) if isinstance(node, ast.Call)]
    called = {f.attr if isinstance(f, ast.Attribute) else getattr(f, "id", "") for f in calls}
    assert called & banned == set()
    assert "use_cuda" not in SOURCES[name]


# One fresh process imports every module, without the type checker of the tests.
PROBE = """
import importlib, sys
sys.modules["beartype"] = None  # importing it is an error now
import torch, numpy, random
before = torch.get_rng_state(), numpy.random.get_state()[1].copy(), random.getstate()
for name in sys.argv[1:]:
    importlib.import_module(name)
assert torch.equal(before[0], torch.get_rng_state())
assert (before[1] == numpy.random.get_state()[1]).all()
assert before[2] == random.getstate()
assert not torch.cuda.is_initialized()
"""


def test_importing_needs_no_beartype_and_seeds_nothing():
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *NAMES], capture_output=True, text=True, cwd=project.ROOT
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@every_module
def test_files_and_functions_are_short(name):
    assert len(SOURCES[name].splitlines()) <= 220  # about 200
    for node in ast.walk(ast.parse(SOURCES[name])):
        if isinstance(node, ast.FunctionDef):
            first = node.body[1] if ast.get_docstring(node) and node.body[1:] else node.body[0]
            assert node.body[-1].end_lineno - first.lineno < 25, node.name
