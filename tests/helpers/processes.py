"""Python in processes of their own."""

import os
import subprocess
import sys


def run(*arguments, folder=None, unset=(), **environment):
    """Run Python with arguments, in a folder and environment; return its outcome."""
    inherited = {key: value for key, value in os.environ.items() if key not in unset}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def run_python(code, *arguments, **options):
    """Run code in a fresh process and return its outcome."""
    return run("-c", code, *arguments, **options)
