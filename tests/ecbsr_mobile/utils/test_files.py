from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from ecbsr_mobile.errors import EcbsrError, UsageError
from ecbsr_mobile.utils.files import atomic_write, check_outputs, check_writable, write_bytes


def test_a_file_appears_whole_in_a_new_folder(tmp_path: Path) -> None:
    target = tmp_path / "new" / "model.bin"
    with atomic_write(target) as temporary:
        temporary.write_bytes(b"content")
        assert (temporary.parent, temporary.suffix) == (target.parent, ".bin")
        assert not target.exists()
    assert target.read_bytes() == b"content"
    assert list(target.parent.iterdir()) == [target]


def test_a_file_that_another_process_writes_meanwhile_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    check_outputs([target], overwrite=False)
    target.write_bytes(b"another's")
    with pytest.raises(UsageError, match=r"a\.bin exists; .*--overwrite"):
        write_bytes(target, b"ours", overwrite=False)
    assert (target.read_bytes(), list(tmp_path.iterdir())) == (b"another's", [target])
    write_bytes(target, b"ours")
    write_bytes(tmp_path / "b.bin", b"new", overwrite=False)
    assert target.read_bytes() == b"ours" and (tmp_path / "b.bin").read_bytes() == b"new"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_keeps_the_earlier_file_and_leaves_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "a.txt"
    write_bytes(target, b"before")
    with pytest.raises(error), atomic_write(target) as temporary:
        temporary.write_bytes(b"half")
        raise error
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_told_of_the_file_and_an_error_of_another_file_of_that_one(tmp_path: Path) -> None:
    target, missing = tmp_path / "a.txt", tmp_path / "missing.txt"
    with pytest.raises(EcbsrError, match=r"cannot write .*a\.txt: No space left on device"), atomic_write(target):
        Path("/dev/full").write_bytes(b"x")  # like any error of a write, it names no file
    with pytest.raises(FileNotFoundError) as caught, atomic_write(target):
        missing.read_bytes()
    assert caught.value.filename == os.fspath(missing)
    assert list(tmp_path.iterdir()) == []


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


def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, link, dangling = tmp_path / "elsewhere" / "file.txt", tmp_path / "link.txt", tmp_path / "dangling.txt"
    target.write_bytes(b"before")
    link.symlink_to(target)
    dangling.symlink_to(Path("elsewhere", "new.txt"))
    write_bytes(link, b"after")
    write_bytes(dangling, b"new")
    assert link.is_symlink() and target.read_bytes() == b"after"
    assert dangling.is_symlink() and (tmp_path / "elsewhere" / "new.txt").read_bytes() == b"new"
    assert len(list(tmp_path.rglob("*"))) == 5


def test_a_pipe_and_a_device_are_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    check_outputs([pipe], overwrite=False)
    write_bytes(pipe, b"content")
    reader.join()
    assert read == [b"content"]
    assert pipe.is_fifo()
    device, terminal = os.openpty()
    name = Path(os.ttyname(terminal))
    check_outputs([name], overwrite=False)
    write_bytes(name, b"content")
    assert os.read(device, 7) == b"content"
    assert name.is_char_device()


def test_folders_sockets_and_endless_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        before = sorted(tmp_path.iterdir())
        for name, reason in {"folder": "a folder", "socket": "a socket", "loop": "link to itself"}.items():
            with pytest.raises(EcbsrError, match=f"{name}: is .*{reason}"):
                write_bytes(tmp_path / name, b"")
            with pytest.raises(EcbsrError, match=f"{name}: is .*{reason}"):
                check_outputs([tmp_path / name], overwrite=True)
        assert sorted(tmp_path.iterdir()) == before


def test_existing_files_are_refused_unless_asked_for(tmp_path: Path) -> None:
    paths = [tmp_path / "new" / "a", tmp_path / "b", tmp_path / "c"]
    check_outputs(paths, overwrite=False)
    paths[1].write_bytes(b"")
    paths[2].symlink_to(paths[1])
    with pytest.raises(UsageError, match=r"b exists \(and 1 more of the files to write\); .*--overwrite"):
        check_outputs(paths, overwrite=False)
    check_outputs(paths, overwrite=True)
    assert not paths[0].parent.exists()
