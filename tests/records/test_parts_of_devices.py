"""Which parts of a case may be merged: those whose bits differ for no reason but the model and the images."""

import pytest
from pytest_robustness.errors import RobustnessError
from pytest_robustness.records.part import Part, merge
from pytest_robustness.records.provenance import Provenance

from tests.gate.examples import measurement

WHOLE = measurement("!!..--")


def part(start: int, **provenance: str) -> Part:
    """Two images of the case, measured by a process like this."""
    places = [start, start + 1]
    return Part(
        case=WHOLE.case,
        images=WHOLE.images,
        places=places,
        budget=WHOLE.budget,
        timing=WHOLE.timing.model_copy(update={"attack_seconds": 2.0, "rows": 10, "rounds": 1, "doubt": None}),
        protocol=WHOLE.protocol,
        provenance=WHOLE.provenance.model_copy(update=provenance),
        evidence=WHOLE.evidence.at(places),
    )


@pytest.mark.parametrize(
    ("device", "kind", "word"),
    [
        ("AMD EPYC (AVX512)", "cpu", "cpu, AVX512"),
        ("Intel(R) Xeon(R) (AVX2)", "cpu", "cpu, AVX2"),
        ("arm64", "cpu", "cpu, arm64"),
        ("NVIDIA H100 80GB HBM3", "cuda", "cuda, NVIDIA H100 80GB HBM3"),
    ],
)
def test_what_bits_depend_on(device: str, kind: str, word: str) -> None:
    given: Provenance = WHOLE.provenance.model_copy(update={"device": device, "device_kind": kind})
    assert given.computes_with == word


def test_products_of_one_kind_are_merged_and_all_are_listed() -> None:
    found = merge([part(0, device="B (AVX2)"), part(2, device="A (AVX2)"), part(4, device="B (AVX2)")])
    assert found.provenance.device == "A (AVX2); B (AVX2)"
    assert (found.timing.attack_seconds, found.timing.rows, found.timing.rounds) == (6.0, 30, 3)
    assert found.timing.doubt == "measured in parts with different devices"
    assert found.evidence.success == WHOLE.evidence.success


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"device": "A (AVX512)"}, "on different kinds of devices: cpu, AVX2 and cpu, AVX512"),
        ({"device": "A (AVX2)", "device_kind": "cuda"}, "on different kinds of devices: cpu, AVX2 and cuda, A .AVX2."),
        ({"attacks": "other 1.0"}, "with different versions: attacks of .* and other 1.0"),
        ({"plugin": "9"}, "with different versions: version .* and 9"),
        ({"images": "pillow 1"}, "with different versions: images by None and pillow 1"),
        ({"torch": "1.0"}, "with different versions: torch .* and 1.0"),
    ],
)
def test_others_are_not_comparable(other: dict[str, str], told: str) -> None:
    parts = [part(0, device="A (AVX2)"), part(2, **{"device": "A (AVX2)"} | other), part(4, device="A (AVX2)")]
    with pytest.raises(RobustnessError, match=f"{WHOLE.case}: not comparable: its parts were measured {told}"):
        merge(parts)
