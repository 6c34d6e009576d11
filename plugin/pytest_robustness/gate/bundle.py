"""Evidence bundles: one zip file with all that a verdict follows from, and a manifest of its files.

A bundle has ``<suite>.toml``, ``run/<suite>/...`` as --robustness-run writes it, ``baselines/<suite>/...``,
``report.json`` and ``manifest.json``. Files are stored, not compressed, in the order of their names and with one date,
so equal evidence makes equal bundles, and no file can expand. The zip file's comment is the manifest's SHA-256.

A bundle may come from anybody. It is read whole or refused: nothing of it is opened by a name that it chose itself, and
it has no bytes that belong to no file.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from pytest_robustness.errors import RobustnessError, some
from pytest_robustness.gate import list_files
from pytest_robustness.gate.judged_run import JudgedRun
from pytest_robustness.gate.pairing import digests
from pytest_robustness.gate.run_containers import LARGEST_FILE, LARGEST_RUN, RECORD
from pytest_robustness.gate.store import BaselineStore
from pytest_robustness.records.manifest import FileEntry, Manifest

MANIFEST, REPORT, RUN, BASELINES = "manifest.json", "report.json", "run", "baselines"
COMMENT = "sha256 of manifest.json: "
#: The most files of a bundle.
FILES = 50_000
#: Bytes of a zip file's own records: before each file, of each in the directory, and at the end.
LOCAL, CENTRAL, END = 30, 46, 22
#: What the names of the files of a run and of baselines are, behind the suite's. Any other could be two files on one
#: system and one on another: other forms of Unicode, full stops at the end, names of devices.
OF_SUITE = re.compile(
    rf"{re.escape(RECORD)}|images-[0-9a-f]+\.json|[A-Za-z0-9_][\w.+-]{{0,99}}/[A-Za-z0-9_][\w.+-]{{0,99}}\.json",
    re.ASCII,
)
#: Characters that no name of a file in a bundle has: they would mean something to some file system.
FORBIDDEN = re.compile(r'[\0-\x1f\x7f\\:*?"<>|]')


class BundleRefused(RobustnessError):
    """Raised for a bundle that is not whole, not as it was made, or no bundle."""


@dataclass(frozen=True)
class Bundle:
    """Holds a bundle that is whole: its manifest, and its other files by name."""

    manifest: Manifest
    files: Mapping[str, bytes]

    def unpack(self, folder: Path) -> None:
        """Write the files that a verdict follows from into an empty folder. Their names were checked."""
        for name, data in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def evidence_files(judged: JudgedRun, baselines: Path) -> dict[str, bytes]:
    """Return the files of a bundle but for report and manifest, by name.

    The baselines are those of the suite's cases, byte for byte. The run is written anew from what was read of it.

    Raises RobustnessError, naming the file, for a file of the run or a baseline that cannot be used.
    """
    if judged.measured.problems:
        raise RobustnessError(next(iter(judged.measured.problems.values())))
    suite, store = judged.suite, BaselineStore(baselines, judged.suite.name)
    run = f"{RUN}/{suite.name}"
    files = {
        f"{suite.name}.toml": suite.path.read_bytes(),
        f"{run}/{RECORD}": judged.measured.record.to_json().encode(),
    }
    for case, measurement in judged.measured.measurements.items():
        files[f"{run}/{case}.json"] = measurement.to_json().encode()
    for one in judged.measured.lists:
        files[f"{run}/{list_files.path_of(Path(), one.digest).name}"] = one.to_json().encode()
    for path in _baselines(judged, store):
        files[f"{BASELINES}/{path.relative_to(store.root).as_posix()}"] = path.read_bytes()
    return files


def _baselines(judged: JudgedRun, store: BaselineStore) -> Iterator[Path]:
    """Yield the files of the suite's baselines that are there, and of the lists of their images."""
    found = [(case.id, one) for case in judged.suite.cases() if (one := store.read(case.id)) is not None]
    yield from (store.path(case) for case, _ in found)
    for digest in sorted(digests(one for _, one in found)):
        path = list_files.path_of(store.folder, digest)
        if path.exists():
            store.image_list(digest)
            yield path


def manifest_of(judged: JudgedRun, files: Mapping[str, bytes], *, accept_removed_images: bool) -> Manifest:
    """Return the manifest of files and of the verdict that follows from them."""
    sources = [one.provenance for one in judged.measured.measurements.values()]
    return Manifest(
        suite=judged.suite.name,
        plugin=version("pytest-robustness"),
        versions={
            "plugin": [judged.measured.record.plugin],
            "torch": sorted({one.torch for one in sources}),
            "attacks": sorted({one.attacks for one in sources}),
            "device": sorted({one.device for one in sources}),
        },
        accept_removed_images=accept_removed_images,
        outcome=judged.outcome,
        cases={case: str(one.status) for case, one in judged.verdict.verdicts.items()},
        files={name: FileEntry.of(files[name]) for name in sorted(files)},
    )


def packed(manifest: Manifest, files: Mapping[str, bytes]) -> bytes:
    """Return a bundle's bytes. They follow from the manifest and the files alone.

    Raises RobustnessError when a file, or all of them, are larger than a bundle's may be.
    """
    if large := [name for name, data in files.items() if len(data) > LARGEST_FILE]:
        raise RobustnessError(f"{large[0]}: has more than {LARGEST_FILE >> 20} MB, which no bundle takes")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted({**files, MANIFEST: manifest.to_json().encode()}.items()):
            member = zipfile.ZipInfo(name)  # its date is 1980, the first there is
            member.create_system, member.external_attr = 3, (stat.S_IFREG | 0o644) << 16
            archive.writestr(member, data, zipfile.ZIP_STORED)
        archive.comment = f"{COMMENT}{manifest.digest}".encode()
    if out.tell() > LARGEST_RUN:
        raise RobustnessError(f"a bundle of more than {LARGEST_RUN >> 20} MB would be refused: leave out the pictures")
    return out.getvalue()


def read_bundle(path: Path) -> Bundle:
    """Read a bundle whole. Raises BundleRefused, in one line that names the file, when it is not as it was made."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_RUN + 1)
    except OSError as error:
        raise BundleRefused(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return _checked(data)
    except BundleRefused as error:
        raise BundleRefused(f"{path}: {error}") from None


def is_bundle(path: Path) -> bool:
    """Return whether a file is a bundle, so that another may take its place."""
    try:
        read_bundle(path)
    except BundleRefused:
        return False
    return True


def _checked(data: bytes) -> Bundle:
    if len(data) > LARGEST_RUN:
        raise BundleRefused(f"has more than {LARGEST_RUN >> 20} MB")
    found = _members(data)
    text = found.pop(MANIFEST, None)
    if text is None:
        raise BundleRefused(f"no bundle: it has no {MANIFEST}")
    try:
        manifest = Manifest.from_json(text.decode())
    except (RobustnessError, UnicodeDecodeError) as error:
        raise BundleRefused(f"{MANIFEST}: {error}") from None
    for what, names in (
        ("missing", manifest.files.keys() - found.keys()),
        ("extra, not in the manifest", found.keys() - manifest.files.keys()),
        ("changed", [name for name in found if FileEntry.of(found[name]) != manifest.files.get(name)]),
    ):
        if names:
            raise BundleRefused(f"{what}: {some(sorted(names))}")
    if not data.endswith(f"{COMMENT}{manifest.digest}".encode()):
        raise BundleRefused(f"changed: {MANIFEST}, or the digest of it at the end of the file")
    own = {f"{manifest.suite}.toml", REPORT}
    if "/" in manifest.suite or f"{manifest.suite}.toml" not in found:
        raise BundleRefused(f"missing: the file of the suite {manifest.suite}")
    if strange := [name for name in found if name not in own and not _is_of_suite(name, manifest.suite)]:
        raise BundleRefused(f"extra, of no part of a bundle: {some(sorted(strange))}")
    return Bundle(manifest, found)


def _is_of_suite(name: str, suite: str) -> bool:
    """Return whether a name is one that a file of the suite's run or baselines can have."""
    found = (name.removeprefix(f"{part}/{suite}/") for part in (RUN, BASELINES))
    return any(rest != name and OF_SUITE.fullmatch(rest) for rest in found)


def _members(data: bytes) -> dict[str, bytes]:
    """Return the files of a zip file that is made of stored files and of nothing else."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) > FILES:
                raise BundleRefused(f"has more than {FILES:,} files")
            for member in members:
                if problem := _problem(member):
                    raise BundleRefused(f"{member.filename!a}: {problem}")
            names = [member.filename for member in members]
            counts = Counter(name.casefold() for name in names)
            if twice := sorted({name for name in names if counts[name.casefold()] > 1}):
                raise BundleRefused(f"has two files of one name: {some(twice)}")
            folders = {folder.as_posix().casefold() for name in names for folder in PurePosixPath(name).parents}
            if both := sorted(name for name in names if name.casefold() in folders):
                raise BundleRefused(f"has a file and a folder of one name: {some(both)}")
            _check_no_other_bytes(archive, members, len(data))
            return {member.filename: _read(archive, member) for member in members}
    except (zipfile.BadZipFile, struct.error, RuntimeError, ValueError, NotImplementedError, EOFError) as error:
        raise BundleRefused(f"no sound zip file: {error}") from None


def _problem(member: zipfile.ZipInfo) -> str | None:
    """Return why a file of a zip file is refused. Returns None when it is not."""
    name, kind = member.orig_filename, stat.S_IFMT(member.external_attr >> 16)
    parts = name.split("/")
    if member.is_dir() or kind not in (0, stat.S_IFREG):
        return "is a link or a folder, and should be a file"
    if FORBIDDEN.search(name) or any(part in ("", ".", "..") or part != part.strip(" ") for part in parts):
        return "is no name of a file inside a bundle"
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & ~0x800:
        return "should be stored as it is, neither compressed nor encrypted"
    if member.file_size != member.compress_size or member.extra or member.comment:
        return "should be stored as it is, with nothing beside it"
    if member.file_size > LARGEST_FILE:
        return f"has more than {LARGEST_FILE >> 20} MB"
    return None


def _check_no_other_bytes(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], size: int) -> None:
    """Raise BundleRefused when the zip file has bytes before, between or behind its files."""
    names = [len(member.orig_filename.encode()) for member in members]
    offset = 0
    for member, name in zip(members, names, strict=True):
        if member.header_offset != offset:
            raise BundleRefused(f"has bytes that are of no file, before {member.filename}")
        offset += LOCAL + name + member.file_size
    if archive.start_dir != offset or size != offset + sum(CENTRAL + name for name in names) + END + len(
        archive.comment
    ):
        raise BundleRefused("has bytes that are of no file, behind the last one")


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(member)
    except zipfile.BadZipFile as error:
        raise BundleRefused(f"changed: {member.filename}: {error}") from None
