"""Comparing files with whichever hash program the phone has."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from android_bench.phone import file_check


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5"])
@pytest.mark.parametrize("before", ["", "WARNING: linker: unused DT entry\n", "a" * 64 + " motd\n"])
def test_each_hash_with_and_without_noise(tmp_path: Path, algorithm: str, before: str) -> None:
    local = tmp_path / "file"
    local.write_bytes(b"content")
    digest = hashlib.new(algorithm, b"content").hexdigest()
    output = f"{before}@@hash {before}{digest}  /data/f\n"
    assert file_check.is_equal(output, "/data/f", local) is True
    assert file_check.is_equal(f"@@hash {algorithm} (/data/f) = {digest.upper()}\n", "/data/f", local) is True
    local.write_bytes(b"changed")
    assert file_check.is_equal(output, "/data/f", local) is False


def test_a_hash_in_the_path_proves_nothing(tmp_path: Path) -> None:
    local = tmp_path / "file"
    local.write_bytes(b"content")
    remote = f"/data/{hashlib.md5(b'content', usedforsecurity=False).hexdigest()}"
    assert file_check.is_equal(f"@@hash {'0' * 64}  {remote}\n", remote, local) is False
    assert file_check.is_equal(f"@@hash usage: md5 {remote}\n", remote, local) is None
    assert file_check.is_equal("", remote, local) is None
    assert file_check.is_equal("@@absent\n", remote, local) is False
