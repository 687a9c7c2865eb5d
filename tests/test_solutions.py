"""Every exercise has a solution, and every Python block inside one runs by itself."""

import os
import subprocess
import sys

import pytest

from tools import project
from tools.myst_blocks import walk
from tools.pages import Page, toc_pages

CODE = {"code", "code-block", "sourcecode"}
SHOWN = """\
```{exercise} One
:label: ex-one
```

```python
outside = True
```

````{solution} ex-one
:class: dropdown

Words.

```python
import math
print(math.pi)
```

```{note}
:class: dropdown

~~~python
nested = 1
~~~
```

```{code-block} python
:caption: A caption

directive = 2
```

```text
not python
```
````
"""


def blocks_of(page):
    return list(page.blocks())


def python_blocks(body):
    """Python code inside the body of a solution, in order."""
    for block, _ in walk(body):
        language = block.argument if block.name in CODE else block.name
        code_kind = block.kind == "verbatim" or block.name in CODE
        if code_kind and language.split(" ")[0] in ("python", "python3", "py"):
            yield block.body


def solutions(page):
    return {block.argument: block.body for block, _ in blocks_of(page) if block.name == "solution"}


def exercises(page):
    return [block.label for block, _ in blocks_of(page) if block.name == "exercise"]


def scripts():
    """Each Python block of each solution of the book, named by page, label and place."""
    for page in toc_pages(project.ROOT):
        for label, body in solutions(page).items():
            for number, code in enumerate(python_blocks(body), 1):
                yield pytest.param(code, id=f"{page.docname}-{label}-{number}")


def run(code, folder):
    """Run a script by itself, warnings being errors, figures going nowhere."""
    script = folder / "solution.py"
    script.write_text(code, encoding="utf-8")
    environment = {**os.environ, "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("code", list(scripts()))
def test_solution_runs(code, tmp_path):
    done = run(code, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", toc_pages(project.ROOT), ids=lambda page: page.docname)
def test_every_exercise_has_one_solution_on_its_page(page):
    labels = exercises(page)
    solved = [block.argument for block, _ in blocks_of(page) if block.name == "solution"]
    assert all(labels), "an exercise without a label"
    assert sorted(labels) == sorted(solved)


def test_solutions_are_folded():
    classes = [
        block.options.get("class", "")
        for page in toc_pages(project.ROOT)
        for block, _ in blocks_of(page)
        if block.name == "solution"
    ]
    assert classes
    assert set(classes) == {"dropdown"}


def test_the_book_has_solutions_with_code():
    assert len(list(scripts())) > 0


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(f"# Title\n\n{SHOWN}", encoding="utf-8")
    return Page("page", path)


def test_code_inside_solutions_is_found(page):
    assert exercises(page) == ["ex-one"]
    assert list(python_blocks(solutions(page)["ex-one"])) == [
        "import math\nprint(math.pi)\n",
        "nested = 1\n",
        "directive = 2",
    ]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("torch.zeros(1)", "NameError"),
        ("assert 1 == 2", "AssertionError"),
        ("import warnings; warnings.warn('careful')", "UserWarning: careful"),
    ],
)
def test_a_bad_script_fails(code, message, tmp_path):
    done = run(code, tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
