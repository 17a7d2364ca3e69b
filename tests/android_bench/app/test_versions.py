"""The app is built by Gradle for its users and by Maven here: one list of versions, and one of Android's levels."""

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


def test_both_builds_take_the_same_versions() -> None:
    ours, theirs = maven(), gradle()
    theirs.pop("android-gradle-plugin")
    assert theirs
    assert theirs == {name: ours.get(name) for name in theirs}


def test_maven_writes_no_version_twice() -> None:
    """Every dependency takes its version from a property, so that none escapes the comparison."""
    text = (APP / "pom.xml").read_text()
    profiles = text[text.index("<profiles>") :]
    versions = re.findall(r"<version>([^<]*)</version>", profiles)
    assert versions
    assert [v for v in versions if not v.startswith("${")] == []


def test_every_library_of_gradle_has_its_version_in_the_list() -> None:
    catalog = tomllib.loads((APP / "gradle" / "libs.versions.toml").read_text())
    used = set(re.findall(r"libs\.([a-z.]+[a-z])", (APP / "build.gradle.kts").read_text()))
    known = {name.replace("-", ".") for name in catalog["libraries"]}
    known |= {f"plugins.{name.replace('-', '.')}" for name in catalog["plugins"]}
    assert used <= known
    assert all(set(entry) == {"module", "version"} for entry in catalog["libraries"].values())


def test_the_android_that_is_compiled_against_is_gradles() -> None:
    level = re.search(r"compileSdk = (\d+)", (APP / "build.gradle.kts").read_text())
    assert level is not None
    assert maven()["android-all"].startswith(ANDROID_OF_API[level[1]] + "-")
    screens = (APP / "src" / "test" / "kotlin" / "ecbsr" / "demo" / "Screen.kt").read_text()
    assert f"sdk = [{level[1]}]" in screens
