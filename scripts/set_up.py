"""Makes ``.venv`` and the JavaScript test client; does nothing, in a blink, when both are up to date.

Only the standard library of any Python from 3.11 on. ``python scripts/set_up.py [--js]``; run from the root.
"""

from __future__ import annotations

import configparser
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PREVIOUS = ROOT / ".venv.previous"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "spotter-stamp"
JS = ROOT / "tests" / "js"
JS_STAMP = JS / "node_modules" / "spotter-stamp"
PROJECT = f"{ROOT}[dev,embedded]"
# What would send pip's work elsewhere than into the new environment.
DISTURBING = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER")


def main() -> None:
    for name in DISTURBING:
        os.environ.pop(name, None)
    with (ROOT / "setup.cfg").open("rb") as lock:
        # Two runs at once take turns; the second finds everything done.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_current():
            _make_environment()
        if "--js" in sys.argv[1:]:
            _make_js()


def _is_current() -> bool:
    return STAMP.is_file() and STAMP.read_text(encoding="utf-8") == _stamp() and _works()


def _stamp() -> str:
    """What an environment is good for: these requirements, this place (its scripts name it)."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    sections = {name: dict(config[name]) for name in config.sections() if name.startswith("options")}
    digest = hashlib.sha256(json.dumps(sections, sort_keys=True).encode()).hexdigest()
    return f"{digest}\n{ROOT}\n"


def _works() -> bool:
    """False after an upgrade that took the interpreter's version away from under the environment."""
    probe = "import sys, pip, site; sys.exit(sys.prefix == sys.base_prefix)"
    return PYTHON.exists() and subprocess.run([PYTHON, "-c", probe], capture_output=True).returncode == 0


def _make_environment() -> None:
    """An environment that still works here is brought up to date; any other is made anew."""
    if not (_update() if _works() and _made_here() else _make_anew()):
        sys.exit(
            "\nThe Python packages could not be installed: see above; the next make goes on where this one stopped.\n"
            "If it is one of the embedded servers that does not fit this machine, take a Linux x86-64 one\n"
            "(Debian 12, Ubuntu 22.04 or later), or install '.[dev]' yourself and set MONGO_URL and REDIS_URL."
        )
    STAMP.write_text(_stamp(), encoding="utf-8")


def _made_here() -> bool:
    """Whether its scripts start the interpreter of this very folder."""
    script = VENV / "bin" / "pip"
    return script.is_file() and f"{VENV}/bin/python" in script.read_text(encoding="utf-8", errors="replace")


def _make_anew() -> bool:
    _say(f"Making .venv with Python {sys.version.split()[0]}")
    if VENV.exists():
        shutil.rmtree(PREVIOUS, ignore_errors=True)
        VENV.rename(PREVIOUS)
    made = subprocess.run([sys.executable, "-m", "venv", VENV])
    if made.returncode != 0:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        sys.exit(f"\nThis Python cannot make environments. On Debian and Ubuntu: apt-get install python{version}-venv")
    if not _install():
        return _go_back()
    shutil.rmtree(PREVIOUS, ignore_errors=True)
    return True


def _install() -> bool:
    _say("Installing the Python packages (the first time takes a minute)")
    return _pip("install", "--quiet", "--editable", PROJECT)


def _update() -> bool:
    return _install() or _install_offline()


def _install_offline() -> bool:
    """Enough when everything that is required is here already."""
    return _pip("install", "--quiet", "--no-index", "--no-build-isolation", "--editable", PROJECT)


def _go_back() -> bool:
    """No network after the folder was moved: the old environment still serves, but for the scripts in its bin."""
    if not PREVIOUS.exists():
        return False
    shutil.rmtree(VENV)
    PREVIOUS.rename(VENV)
    return _works() and _install_offline()


def _pip(*arguments: str) -> bool:
    return subprocess.run([PYTHON, "-m", "pip", "--disable-pip-version-check", *arguments]).returncode == 0


def _make_js() -> None:
    if not (shutil.which("node") and shutil.which("npm")):
        _say("There is no node or npm here: the tests with the official JavaScript client will be skipped.")
        return
    wanted = hashlib.sha256((JS / "package-lock.json").read_bytes()).hexdigest()
    if JS_STAMP.is_file() and JS_STAMP.read_text(encoding="utf-8") == wanted:
        return
    _say("Installing the JavaScript client for the tests")
    quiet = ["--no-audit", "--no-fund", "--loglevel=error"]
    if subprocess.run(["npm", "ci", *quiet], cwd=JS).returncode != 0:
        sys.exit("\nThe JavaScript packages could not be installed: see above.")
    JS_STAMP.write_text(wanted, encoding="utf-8")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
