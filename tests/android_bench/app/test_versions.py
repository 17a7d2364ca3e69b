"""Gradle and Maven build the app with the same versions of its libraries; which Android each compiles against."""

import re
import tomllib
import xml.etree.ElementTree as ET

from tests.helpers.paths import ROOT

APP = ROOT / "android_bench" / "app"
ANDROID_OF_API = {"34": "14"}


def gradle() -> dict[str, str]:
    return tomllib.loads((APP / "gradle" / "libs.versions.toml").read_text())["versions"]


def maven() -> dict[str, str]:
    space = "{http://maven.apache.org/POM/4.0.0}"
    properties = ET.parse(APP / "pom.xml").getroot().find(f"{space}properties")
    assert properties is not None
    return {entry.tag.removeprefix(space): entry.text or "" for entry in properties}


def test_both_builds_use_the_same_versions() -> None:
    in_maven, in_gradle = maven(), gradle()
    for name in ("android-gradle-plugin", "litert"):
        in_gradle.pop(name)
    assert in_gradle
    assert in_gradle == {name: in_maven.get(name) for name in in_gradle}


def test_every_maven_dependency_has_its_version_in_a_property() -> None:
    """The comparison of the versions covers only properties."""
    text = (APP / "pom.xml").read_text()
    profiles = text[text.index("<profiles>") :]
    versions = re.findall(r"<version>([^<]*)</version>", profiles)
    assert versions
    assert [version for version in versions if not version.startswith("${")] == []


def test_every_library_of_gradle_has_its_version_in_the_list() -> None:
    catalog = tomllib.loads((APP / "gradle" / "libs.versions.toml").read_text())
    used = set(re.findall(r"libs\.([a-z.]+[a-z])", (APP / "build.gradle.kts").read_text()))
    known = {name.replace("-", ".") for name in catalog["libraries"]}
    known |= {f"plugins.{name.replace('-', '.')}" for name in catalog["plugins"]}
    assert used <= known
    assert all(set(entry) == {"module", "version"} for entry in catalog["libraries"].values())


def test_maven_and_the_tests_use_the_same_android() -> None:
    screens = (APP / "src" / "test" / "kotlin" / "ecbsr" / "demo" / "Screen.kt").read_text()
    level = re.search(r"sdk = \[(\d+)\]", screens)
    assert level is not None
    assert maven()["android-all"].startswith(ANDROID_OF_API[level[1]] + "-")


def test_gradle_compiles_against_the_android_that_the_app_targets() -> None:
    """Android's lint ends a release build that compiles against an older one."""
    build = (APP / "build.gradle.kts").read_text()
    levels = [re.search(rf"{name} = (\d+)", build) for name in ("compileSdk", "targetSdk")]
    assert all(levels)
    assert len({level[1] for level in levels if level}) == 1
