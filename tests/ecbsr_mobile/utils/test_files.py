from __future__ import annotations

import os
from pathlib import Path

import pytest

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils.files import atomic_write, check_writable, write_bytes


def test_a_file_appears_whole_in_a_new_folder(tmp_path: Path) -> None:
    target = tmp_path / "new" / "model.bin"
    with atomic_write(target) as temporary:
        temporary.write_bytes(b"content")
        assert (temporary.parent, temporary.suffix) == (target.parent, ".bin")
        assert not target.exists()
    assert target.read_bytes() == b"content"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_keeps_the_earlier_file_and_leaves_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "a.txt"
    write_bytes(target, b"before")
    with pytest.raises(error), atomic_write(target) as temporary:
        temporary.write_bytes(b"half")
        raise error
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(os.name != "posix", reason="the umask is POSIX's")
def test_the_file_has_the_permissions_that_the_umask_allows(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        write_bytes(tmp_path / "a", b"")
    finally:
        os.umask(mask)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(EcbsrError, match=r"cannot write .*file/out"):
        write_bytes(tmp_path / "file" / "out", b"")
    with pytest.raises(EcbsrError, match="file is a file; choose another folder"):
        check_writable(tmp_path / "file" / "out")
    check_writable(tmp_path / "not" / "there" / "yet")
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
