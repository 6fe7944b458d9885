"""pfcore's unpickler against the judged frames of test/data/pickle_frames.jsonl, each under its own policy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pickle_canon import Answer, Frame, PickleCanon, judged_frames

MIB = 1 << 20
REFUSE_WITHIN_US = 50_000
REFUSE_WITHIN_BYTES = 4 * MIB

FRAMES = judged_frames()


@pytest.fixture(scope="module")
def payload_decoder() -> Iterator[PickleCanon]:
    with PickleCanon() as decoder:
        yield decoder


@pytest.fixture(scope="module")
def wire_decoder() -> Iterator[PickleCanon]:
    with PickleCanon("--wire") as decoder:
        yield decoder


def broken_rule(frame: Frame, size: int, answer: Answer) -> str | None:
    """What the policy says about the answer, or nothing."""
    if not frame.wire and answer.peak_bytes > 8 * size + MIB:
        return f"{answer.peak_bytes} bytes of heap for {size} bytes of pickle"
    if answer.accepted:
        if frame.policy in ("reject", "strict-reject"):
            return "accepted"
        if frame.has_canon() and not frame.is_canon(answer.text):
            return f"another value: {answer.text[:200]}"
        return None
    if frame.policy == "accept":
        return f"refused: {answer.text}"
    if frame.policy == "strict-reject":
        if answer.microseconds > REFUSE_WITHIN_US:
            return f"refused after {answer.microseconds} us"
        if answer.peak_bytes > REFUSE_WITHIN_BYTES:
            return f"refused after {answer.peak_bytes} bytes of heap"
    return None


@pytest.mark.parametrize("cls", sorted({frame.cls for frame in FRAMES}))
def test_every_judged_frame_gets_what_its_policy_says(
    cls: str, payload_decoder: PickleCanon, wire_decoder: PickleCanon
) -> None:
    broken = []
    for frame in FRAMES:
        if frame.cls != cls:
            continue
        content = frame.content()
        answer = (wire_decoder if frame.wire else payload_decoder).ask_one(content)
        if rule := broken_rule(frame, len(content), answer):
            broken.append(f"{frame.name} ({frame.policy}): {rule}")
    assert not broken, "\n".join(broken)


def test_the_corpus_is_whole() -> None:
    assert len(FRAMES) == 1842
    assert {frame.policy for frame in FRAMES} == {"accept", "reject", "strict-reject", "lenient", "free"}
