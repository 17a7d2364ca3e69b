"""Install PyTorch in the version of requirements.lock, as `make` does before everything else.

    .venv/bin/python tools/install_torch.py

PyPI's PyTorch for Linux brings CUDA with it: gigabytes that a machine without an NVIDIA driver cannot use. So uv
chooses the build from PyTorch's own index (`--torch-backend=auto`: the CPU's where there is no GPU). The lock has
the hashes of PyPI's builds alone: these are taken as PyTorch's server sends them, over https. Where that server cannot
be reached, this script installs nothing; the lock then brings PyPI's PyTorch, compared with its hash.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import urllib.request
from importlib import metadata
from pathlib import Path

INDEX = "https://download.pytorch.org/whl/cpu/torch/"
SECONDS = 5
"""How long the index may take to answer."""

LOCK = Path(__file__).parent.parent / "requirements.lock"


def main() -> int:
    """Install it where that makes a difference, and say in a line what is fetched."""
    version = _locked_version()
    if _installed_version().partition("+")[0] == version:
        return 0
    if sys.platform == "darwin":  # PyPI's build is small there
        return 0
    reason = _unreachable()
    if not reason:
        kind = "for this NVIDIA driver" if _has_nvidia_driver() else "for CPUs (4 GB on disk in all, not 8 GB)"
        _say(f"PyTorch {version} comes from download.pytorch.org, {kind}; its hash is not in requirements.lock")
        if _install(version):
            return 0
        reason = "its build could not be installed"
    _say(f"PyTorch's own index is left out ({reason}): PyPI's build brings CUDA, 8 GB on disk in all")
    return 0


def _locked_version() -> str:
    match = re.search(r"^torch==(\S+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    if match is None:
        sys.exit(f"{LOCK}: does not name torch")
    return match[1]


def _installed_version() -> str:
    try:
        return metadata.version("torch")
    except metadata.PackageNotFoundError:
        return ""


def _has_nvidia_driver() -> bool:
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def _unreachable() -> str:
    """Why PyTorch's index cannot be reached; "" if it can."""
    try:
        with urllib.request.urlopen(urllib.request.Request(INDEX, method="HEAD"), timeout=SECONDS):
            return ""
    except (OSError, ValueError) as error:
        return f"{getattr(error, 'reason', None) or error}"


def _install(version: str) -> bool:
    """Install PyTorch without its dependencies, which the lock brings with their hashes."""
    uv = Path(sys.executable).with_name("uv")
    command = [uv, "pip", "install", "--quiet", "--python", sys.executable, "--no-deps", "--torch-backend", "auto"]
    return subprocess.run([*command, f"torch=={version}"], check=False).returncode == 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
