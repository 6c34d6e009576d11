"""What is damaged, or holds what no bundle holds, is refused in a line, and nothing of it is unpacked."""

import io
import stat
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_robustness.gate.bundle import COMMENT, MANIFEST, BundleRefused, packed, read_bundle
from pytest_robustness.records.manifest import FileEntry

from tests.cli.bundles import REFUSED, here, repacked, sound, told

__all__ = ["here", "sound", "told"]  # fixtures


def test_a_changed_byte_in_any_file_is_named(here, told, sound):
    data = packed(sound.manifest, sound.files)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        places = [
            (one.filename, one.header_offset + 30 + len(one.filename), one.file_size) for one in archive.infolist()
        ]
    assert len(places) == len(sound.files) + 1
    for name, start, size in places:
        for place in (start, start + size // 2, start + size - 1):
            flipped = bytearray(data)
            flipped[place] ^= 1
            (here / "x.zip").write_bytes(flipped)
            status, lines = told("verify", "x.zip")
            assert (status, len(lines)) == (REFUSED, 1)
            assert name in lines[0]


def test_a_changed_byte_is_named_also_when_the_zip_file_is_made_anew(here, told, sound):
    for name, data in sound.files.items():
        changed = {**sound.files, name: bytes([data[0] ^ 1]) + data[1:]}
        (here / "x.zip").write_bytes(packed(sound.manifest, changed))
        status, lines = told("verify", "x.zip")
        assert (status, len(lines)) == (REFUSED, 1)
        assert lines[0] == f"refused: x.zip: changed: {name}"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_no_damage_gets_past_unseen(sound, tmp_path, data):
    """Whatever bytes change, the bundle is refused in a line, or holds the very same files."""
    whole = bytearray(packed(sound.manifest, sound.files))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(whole) - 1) | st.integers(max(0, len(whole) - 1500), len(whole) - 1))
        whole[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.none() | st.integers(0, len(whole)))
    (tmp_path / "x.zip").write_bytes(whole[:cut])
    with suppress(BundleRefused):  # which is one line by its nature
        assert read_bundle(tmp_path / "x.zip") == sound


def zipped(members: list[tuple[zipfile.ZipInfo, bytes]], kind: int = zipfile.ZIP_STORED, comment: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", kind) as archive:
        for info, data in members:
            info.compress_type = kind
            archive.writestr(info, data)
        archive.comment = comment
    return out.getvalue()


def member(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def with_member(sound, info: zipfile.ZipInfo, data: bytes = b"x", listed: bool = True) -> bytes:
    """The sound bundle and one more file, which its manifest lists or not."""
    files = {**sound.manifest.files, **({info.filename: FileEntry.of(data)} if listed else {})}
    manifest = sound.manifest.model_copy(update={"files": dict(sorted(files.items()))})
    own = {**sound.files, MANIFEST: manifest.to_json().encode()}
    members = [*((member(name), own[name]) for name in sorted(own)), (info, data)]
    return zipped(members, comment=f"{COMMENT}{manifest.digest}".encode())


def compressed(sound) -> bytes:
    own = {**sound.files, MANIFEST: sound.manifest.to_json().encode()}
    members = [(member(name), own[name]) for name in sorted(own)]
    return zipped(members, zipfile.ZIP_DEFLATED, f"{COMMENT}{sound.manifest.digest}".encode())


def other_comment(sound) -> bytes:
    """The manifest was edited in a way that no other check sees, and the digest of it was not."""
    manifest = sound.manifest.model_copy(update={"plugin": "9.9.9"})
    data = packed(manifest, sound.files)
    return data[:-64] + packed(sound.manifest, sound.files)[-64:]


def twice(sound) -> bytes:
    with pytest.warns(UserWarning, match="Duplicate"):
        return with_member(sound, member("s.toml"), sound.files["s.toml"])


ODD = {
    "bomb": (lambda s: zipped([(member(MANIFEST), b"0" * 10**7)], zipfile.ZIP_DEFLATED), "neither compressed"),
    "compressed": (compressed, "neither compressed"),
    "extra": (
        lambda s: with_member(s, member("run/s/more.json"), listed=False),
        "extra, not in the manifest: run/s/more.json",
    ),
    "listed, of no part": (lambda s: with_member(s, member("more.txt")), "extra, of no part of a bundle: more.txt"),
    "missing": (
        lambda s: packed(s.manifest, {k: v for k, v in s.files.items() if k != "run/s/a/pgd.json"}),
        "missing: run/s/a/pgd.json",
    ),
    "parent": (lambda s: with_member(s, member("../evil")), "'../evil': is no name of a file inside"),
    "inner parent": (lambda s: with_member(s, member("run/s/../../../evil")), "is no name of a file inside"),
    "absolute": (lambda s: with_member(s, member("/etc/evil")), "is no name of a file inside"),
    "drive": (lambda s: with_member(s, member("C:evil")), "is no name of a file inside"),
    "backslash": (lambda s: with_member(s, member("run\\..\\evil")), "is no name of a file inside"),
    "link": (
        lambda s: with_member(s, member("run/s/l", stat.S_IFLNK | 0o777), b"/etc/passwd"),
        "is a link or a folder",
    ),
    "folder": (lambda s: with_member(s, member("run/s/d/")), "is a link or a folder"),
    "twice": (twice, "two files of one name: s.toml"),
    "twice but for case": (lambda s: with_member(s, member("S.toml")), "two files of one name: S.toml, s.toml"),
    "a file and a folder": (
        lambda s: repacked(s, files={"run/s/run.json/x.json": b"x"}),
        "a file and a folder of one name: run/s/run.json",
    ),
    # which other systems write into one place with another file, cannot write, or write elsewhere
    "another form of Unicode": (lambda s: with_member(s, member("run/s/a/e\u0301.json")), "of no part of a bundle"),
    "a full stop": (lambda s: with_member(s, member("run/s/a/pgd.json.")), "of no part of a bundle"),
    "a device": (lambda s: with_member(s, member("run/s/CON")), "of no part of a bundle"),
    "a long name": (lambda s: with_member(s, member(f"run/s/a/{'b' * 300}.json")), "of no part of a bundle"),
    "deep": (lambda s: with_member(s, member(f"run/s/{'b/' * 3000}x.json")), "of no part of a bundle"),
    **{
        f"of the suite {suite!r}": (
            lambda s, suite=suite: packed(s.manifest.model_copy(update={"suite": suite, "files": {}}), {}),
            "missing: the file of the suite",
        )
        for suite in ("/etc/passwd", "../s", "\0", "", "x" * 5000)
    },
    "an edited manifest": (other_comment, "changed: manifest.json, or the digest of it"),
    "before": (lambda s: b"#!/bin/sh\n" + packed(s.manifest, s.files), "bytes that are of no file"),
    "behind": (lambda s: packed(s.manifest, s.files) + b"more", "of no file, behind"),
    "no manifest": (lambda s: zipped([(member("a"), b"x")]), "no bundle: it has no manifest.json"),
    "a manifest of something else": (lambda s: zipped([(member(MANIFEST), b"{}")]), "manifest.json: schema"),
    "empty": (lambda s: b"", "no sound zip file"),
    "text": (lambda s: b"hello\n" * 100, "no sound zip file"),
    "a run": (lambda s: zipped([(member("s/run.json"), b"{}")]), "no bundle"),
}


@pytest.mark.parametrize("odd", ODD)
def test_what_is_no_bundle_or_has_more_in_it_is_refused_in_a_line(here, told, sound, odd):
    make_odd, said = ODD[odd]
    (here / "x.zip").write_bytes(make_odd(sound))
    status, lines = told("verify", "x.zip")
    assert (status, len(lines)) == (REFUSED, 1), lines
    assert lines[0].startswith("refused: x.zip: ")
    assert said in lines[0]
    assert sorted(path.name for path in here.iterdir()) == ["x.zip"]


def test_no_file_is_unpacked_by_a_name_of_its_own(sound):
    """What is checked of names is what makes it safe to write the files down."""
    assert all(not Path(name).is_absolute() and ".." not in Path(name).parts for name in sound.files)
