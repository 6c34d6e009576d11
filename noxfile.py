"""What this package promises to work with, a session each: ``nox --list`` names them, ``nox -s lint`` runs one.

A session installs the versions of constraints.txt, but for those it is about. Arguments after ``--`` take the place of
the session's own tests: ``nox -s tests -- tests/gate -x``.
"""

from pathlib import Path

import nox

nox.needs_version = ">=2025.10.14"  # the first that knows download_python
nox.options.sessions = ["lint", "tests"]
nox.options.error_on_missing_interpreters = False  # in CI too: a session without its interpreter is skipped
nox.options.download_python = "never"

#: The oldest and the newest torch, and what has to change with it.
TORCH = {"2.5": ("torch==2.5.*", "torchvision==0.20.*"), "newest": ("--upgrade", "torch", "torchvision")}
CLUSTER = ("tests/execute/test_ray.py",)
MOVES_WITH_TORCH = ("torch", "torchvision", "sympy", "setuptools")


def install(session: nox.Session, extras: str, *packages: str, free: tuple[str, ...] = ()) -> None:
    """Install this package with some extras and other packages; those that are ``free`` may have any version."""
    lines = Path("constraints.txt").read_text(encoding="utf-8").splitlines()
    constraints = Path(session.virtualenv.location) / "constraints.txt"
    kept = (line for line in lines if line.partition("==")[0] not in free)
    constraints.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    session.install("-c", str(constraints), "-e", f".[{extras}]", *packages)


def test(session: nox.Session, *paths: str) -> None:
    """Run tests, or what was asked for instead. No cache is written, as other sessions would read it."""
    session.run("pytest", "-p", "no:cacheprovider", "-n", "auto", *(session.posargs or paths))


@nox.session
@nox.parametrize("pytest", ["8.3", "9"])
def tests(session: nox.Session, pytest: str) -> None:
    """Prove that all tests pass under the oldest and the present major version of pytest."""
    install(session, "test", f"pytest=={pytest}.*", free=("pytest",))
    test(session, "tests")


@nox.session(python="3.11")  # torch 2.5 has no wheels for every later Python
@nox.parametrize("torch", list(TORCH))
def torch(session: nox.Session, torch: str) -> None:
    """Prove that the oldest and the newest torch measure rightly, small models and two cases of the zoo."""
    install(session, "test", *TORCH[torch], free=MOVES_WITH_TORCH)
    test(session, "tests/evaluate", "tests/cli/test_gate.py", "tests/test_api.py")
    session.run("pytest", "-p", "no:cacheprovider", "robustness_tests", "-k", "vgg11 and fgsm")


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
def python(session: nox.Session) -> None:
    """Prove that all tests pass on each Python. One that is not installed is skipped."""
    install(session, "test")
    test(session, "tests")


@nox.session(python="3.11")
def lowest(session: nox.Session) -> None:
    """Prove that the gate works with the lowest version of each direct dependency that pyproject.toml promises."""
    constraints = Path(session.virtualenv.location) / "lowest.txt"
    constraints.write_text(str(session.run("python", ".ci/lowest.py", silent=True)), encoding="utf-8")
    session.install("-c", str(constraints), "-e", ".[suite,report]")
    test(session, "tests/cli/test_no_suite.py", "tests/cli/test_gate.py", "tests/cli/test_init_settings.py")
    session.run("pytest", "-p", "no:cacheprovider", "robustness_tests", "-k", "vgg11 and fgsm", "-n", "2")


@nox.session
def models(session: nox.Session) -> None:
    """Prove that models of ONNX and of transformers are attacked. No other session has these large packages."""
    install(session, "test,onnx,transformers", "onnxscript")
    test(
        session,
        "tests/evaluate/models/test_onnx.py",
        "tests/evaluate/models/test_transformers.py",
        "tests/test_quickstart.py",
        *("-k", "onnx or transformers"),
    )


@nox.session
def tracking(session: nox.Session) -> None:
    """Prove that Lightning, MLflow and Weights & Biases are served. Without constraints, which hold back MLflow."""
    session.install("-e", ".[test,lightning,mlflow,wandb]")
    test(session, "tests/test_callbacks.py", "tests/cli/test_loggers.py")


@nox.session
def cluster(session: nox.Session) -> None:
    """Prove that cases are measured by Ray, on nodes of this machine, one of which is lost. Few have its packages."""
    install(session, "test,ray")
    session.run("pytest", "-p", "no:cacheprovider", "-rs", "--require-extra", "ray", *(session.posargs or CLUSTER))


@nox.session
def plugins(session: nox.Session) -> None:
    """Prove that the gate works beside other plugins of pytest (.ci/plugins.txt), each alone and all together."""
    install(session, "test", "-r", ".ci/plugins.txt")
    lines = Path(".ci/plugins.txt").read_text(encoding="utf-8").splitlines()
    names = [line.removeprefix("pytest-") for line in lines if line.startswith("pytest-")]
    # they are for the runs inside; in the run that starts those they would only be in the way
    off = [f"-pno:{f'pytest_{name}' if name in ('cov', 'order') else name}" for name in names]
    session.run("pytest", "-p", "no:cacheprovider", *off, "tests/cli/test_other_plugins.py", "-m", "", "-n", "2")


@nox.session
def lint(session: nox.Session) -> None:
    """Prove that the code is formatted, has none of ruff's findings and passes mypy's strict checks."""
    install(session, "test")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@nox.session(python=["3.12", "3.13", "3.14"])
def coverage(session: nox.Session) -> None:
    """Say which lines no test runs. Takes as long as the tests: Python traces lines itself, from 3.12 on."""
    install(session, "test", "coverage>=7.10")
    session.env["COVERAGE_CORE"] = "sysmon"
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", "tests", "-p", "no:cacheprovider", "-n", "auto", *session.posargs)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


@nox.session
def docs(session: nox.Session) -> None:
    """Prove that the documentation builds as a site, and that no link in it is dead. Needs no torch."""
    session.install(*nox.project.load_toml("pyproject.toml")["project"]["optional-dependencies"]["docs"])
    session.run("mkdocs", "build", "--strict", *session.posargs)
