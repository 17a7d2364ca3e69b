"""Maven gets no artifact that is not the listed one; the repository of the tests is a folder."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.android_bench.app.test_versions import APP, maven
from tests.helpers.paths import ROOT

BOM = """<project><modelVersion>4.0.0</modelVersion><groupId>other</groupId><artifactId>bom</artifactId>
<version>1</version><packaging>pom</packaging></project>"""
PROJECT = """<project><modelVersion>4.0.0</modelVersion><groupId>ecbsr</groupId><artifactId>demo</artifactId>
<version>1</version><packaging>pom</packaging>
<repositories><repository><id>central</id><url>{repository}</url></repository></repositories>
<dependencyManagement><dependencies><dependency><groupId>other</groupId><artifactId>bom</artifactId>
<version>1</version><type>pom</type><scope>import</scope></dependency></dependencies></dependencyManagement></project>"""


def test_every_artifact_that_is_named_is_listed() -> None:
    lines = (APP / "maven.sha256").read_text().splitlines()
    assert all(re.fullmatch(r"[0-9a-f]{64}  [^ ]+", line) for line in lines)
    listed = {name for _, name in (line.split("  ") for line in lines)}
    assert len(listed) == len(lines)
    space = "{http://maven.apache.org/POM/4.0.0}"
    root = ET.parse(APP / "pom.xml").getroot()
    named = set()
    for kind, group in (("dependency", ""), ("artifactItem", ""), ("plugin", "org.apache.maven.plugins")):
        for entry in root.iter(space + kind):
            values = {child.tag.removeprefix(space): child.text or "" for child in entry}
            version = values.get("version", "")
            for name, value in maven().items():
                version = version.replace(f"${{{name}}}", value)
            if version and values.get("scope") != "system":
                parts = [values.get("groupId", group), values["artifactId"], values.get("type", "jar")]
                named.add(":".join([*parts, *filter(None, [values.get("classifier")]), version]))
    assert len(named) > 20
    assert sorted(named - listed) == []


@pytest.mark.skipif(not (shutil.which("mvn") and shutil.which("javac")), reason="needs Maven and a JDK")
def test_another_file_or_one_that_is_not_listed_ends_maven(tmp_path: Path) -> None:
    bom = tmp_path / "repository" / "other" / "bom" / "1" / "bom-1.pom"
    bom.parent.mkdir(parents=True)
    bom.write_text(BOM)
    bom.with_name("bom-1.pom.sha1").write_text(hashlib.sha1(BOM.encode()).hexdigest())
    (tmp_path / "pom.xml").write_text(PROJECT.format(repository=bom.parents[3].as_uri()))
    (tmp_path / "src").symlink_to(APP / "src")

    def call(pinned: str, record: str = "false") -> tuple[int, str]:
        (tmp_path / "maven.sha256").write_text(pinned)
        script = f"""source android_bench/app/common.sh; APP='{tmp_path}'; OUT='{tmp_path}/out'
        JAVA_HOME=$(dirname "$(dirname "$(readlink -f "$(command -v javac)")")")
        RECORD={record} maven -Dmaven.repo.local='{tmp_path}/local' validate"""
        shutil.rmtree(tmp_path / "local", ignore_errors=True)
        result = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True)
        return result.returncode, result.stderr

    right = f"{hashlib.sha256(BOM.encode()).hexdigest()}  other:bom:pom:1\n"
    assert call(right)[0] == 0
    code, errors = call(right.replace(right[:8], "0" * 8))
    assert code == 1
    assert "PinnedChecksums: " in errors
    assert "00000000" in errors
    code, errors = call("")
    assert code == 1
    assert "other:bom:pom:1 has no SHA-256" in errors
    assert call("", record="true")[0] == 0
    assert (tmp_path / "maven.sha256").read_text() == right
