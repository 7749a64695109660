"""The two dictionaries of the page: the same keys, the same blanks, nothing missing and nothing left over."""

from __future__ import annotations

import json
import re
from typing import get_args

import pytest

from capture.sight import CODES
from functions.cameras.health import MENDS
from functions.cameras.onvif import REASONS as ONVIF_REASONS
from functions.cameras.status import SIGHT_MENDS, STATUS_MENDS
from functions.console.assets import ROOT
from functions.retention.classes import CLASSES
from functions.search.blind import DELETED, NO_RECORD, NOT_THERE
from functions.shared.contracts import DAYS, CameraState
from functions.shared.formats import DEFAULT, NAMES
from functions.shared.inference import VehicleColor
from functions.shared.outbound import Failure
from functions.shared.rtsp import REASONS

TAGS = ("en", "pt-BR")
FORMS = ("one", "other")
BLIND = (NOT_THERE, DELETED, NO_RECORD)
# Made by `t(`state.${...}`)` and the like: the family, and the words it may end in.
FAMILIES = {
    "alert.differ": ["color", "type"], "alert.event": ["raised", "escalated", "withdrawn"],
    "alert.kind": ["watch", "not_listed", "cloned", "all"], "alert.level": ["all", "normal", "high"],
    "alert.outcome": ["confirmed", "false_alarm", "no_action", "other", "none"],
    "alert.sending": ["waiting", "sending", "sent", "failed", "dropped"],
    "alert.state": ["open", "acknowledged", "withdrawn", "all"],
    "hotlist.day": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
    "hotlist.kind": ["watch", "allow", "cloned", "help"],
    "hotlist.match": ["exact", "wildcard", "fuzzy", "auto"],
    "color": [*get_args(VehicleColor)],
    "counts": [f"{state}.{form}" for state in ("offline", "degraded", "unknown") for form in FORMS],
    "day": DAYS,
    "decode": ["keyframes", "all"],
    "direction": ["towards", "away", "left", "right"],
    "error": None, "fault": None, "mend": None, "reason": None, "remedy": None, "part": None, "event": None,
    "feed": ["connecting", "live", "lost"],
    "format": [*NAMES, "unknown"],
    "import.action": ["create", "update", "same"],
    "import.mode": ["all", "valid"],
    "onvif": [*ONVIF_REASONS],
    "nav": [
        "live", "search", "route", "stats", "cameras", "groups", "alerts", "hotlists", "webhooks", "privacy", "audit",
        "people", "keys",
    ],
    "class": [each.name for each in CLASSES] + ["erased", "orphans", "deliveries"],
    "run": ["run", "reconcile", "erase"],
    "run.state": ["running", "done", "failed", "stopped"],
    "kept": [each.name for each in CLASSES if each.kept],
    "subject": ["detections", "pictures", "corrections", "lookups", "holds", "possible"],
    "keys.state": ["active", "expired", "revoked"],
    "oidc.refused": None, "permission": None,
    "people.by": ["password", "oidc", "keys"],
    "people.state": ["active", "disabled", "inactive"],
    "match": [*(kind + end for kind in ("exact", "prefix", "wildcard", "fuzzy") for end in ("", ".help"))],
    "blind": [*BLIND, "offline", "disabled", "provisioning"],
    "stats.by": ["camera", "type", "color"],
    "search.mark": ["uncertain", "certain", "corrected"],
    "role": ["viewer", "operator", "admin", "integrator"],
    "state": [*CameraState, "unknown"],
    "webhook.delivery": ["pending", "delivered", "dead", "skipped"],
    "webhook.failure": [*Failure, "none"],
    "webhook.state": ["ok", "failing", "disabled"],
    "webhook.why": ["user", "gone", "failing", "key_over", "key_narrowed"],
    "vehicle": ["car", "motorcycle", "bus", "truck"],
}  # fmt: skip


def words(tag: str) -> dict[str, str]:
    """Of all sections; the loader takes the same files."""
    pairs = [pair for section in sections(tag) for pair in section_of(tag, section)]
    assert len({key for key, _ in pairs}) == len(pairs), "a key stands twice"
    return dict(pairs)


def sections(tag: str) -> list[str]:
    return sorted(path.stem for path in (ROOT / "i18n" / tag).glob("*.json"))


def section_of(tag: str, section: str) -> list[tuple[str, str]]:
    found = json.loads((ROOT / "i18n" / tag / f"{section}.json").read_text(), object_pairs_hook=list)
    return [(key, text) for key, text in found]


def source() -> str:
    return "\n".join(path.read_text() for path in sorted((ROOT / "js").rglob("*.js")))


def test_both_have_the_same_keys_in_order() -> None:
    assert sections("en") == sections("pt-BR")
    loader = re.search(r"SECTIONS = \[(.*?)\]", (ROOT / "js" / "i18n.js").read_text())
    assert loader is not None
    assert sorted(re.findall(r'"(\w+)"', loader[1])) == sections("en")
    for section in sections("en"):
        english, portuguese = ([key for key, _ in section_of(tag, section)] for tag in TAGS)
        assert english == portuguese, section
        assert english == sorted(english), section


def test_both_have_the_same_blanks_and_no_empty_text() -> None:
    english, portuguese = (words(tag) for tag in TAGS)
    for key, text in english.items():
        assert text.strip(), key
        assert portuguese[key].strip(), key
        assert set(re.findall(r"\{(\w+)\}", text)) == set(re.findall(r"\{(\w+)\}", portuguese[key])), key


def literal_keys() -> set[str]:
    """Every key that stands in a script as a whole, with both forms where it is counted."""
    text = source()
    literal = set(re.findall(r"\"([a-z]+(?:\.[a-z_]+)*)\"", text))
    known = set(words("en"))
    counted = {f"{key}.{form}" for key in literal for form in FORMS}
    return (literal | counted) & known


def family_keys() -> set[str]:
    known, text = set(words("en")), source()
    found: set[str] = set()
    for family, ends in FAMILIES.items():
        assert f"`{family}.${{" in text, f"no script makes keys of {family}"
        keys = {key for key in known if key.startswith(f"{family}.")}
        if ends is not None:
            wanted = {f"{family}.{end}" for end in ends}
            assert wanted <= known, wanted - known
            keys = wanted
        found |= keys
    return found


def test_every_key_is_used() -> None:
    assert set(words("en")) - literal_keys() - family_keys() == set()


@pytest.mark.parametrize("call", ["t", "plural"])
def test_every_key_that_is_asked_for_is_there(call: str) -> None:
    known = set(words("en"))
    asked = set(re.findall(rf"\b{call}\(\"([^\"]+)\"", source()))
    # The ways of a choice: t(now ? "one.key" : "other.key").
    for choice in re.findall(rf"\b{call}\(([^()\"`]*\?[^()`]*)\)", source()):
        asked |= {key for key in re.findall(r"\"([a-z]+\.[a-z_.]+)\"", choice)}
    assert asked
    for key in asked:
        wanted = {key} if call == "t" else {f"{key}.{form}" for form in FORMS}
        assert wanted <= known, key


def test_every_reason_of_a_stream_has_words() -> None:
    known = words("pt-BR")
    extra = {"disabled", "schedule", "bus_away", "no_pod", "no_room", "opening", "recovering", "credentials"}
    assert {f"reason.{code}" for code in {*REASONS, *extra}} <= set(known)


def test_every_reason_that_can_be_mended_says_how() -> None:
    known = {key.removeprefix("mend.") for key in words("en") if key.startswith("mend.")}
    assert known == STATUS_MENDS.keys()
    assert REASONS.keys() <= known


def test_the_page_offers_the_formats_that_the_api_takes() -> None:
    text = (ROOT / "js" / "groups-store.js").read_text()
    found = re.search(r"FORMATS = \[(.*?)\]", text, re.DOTALL)
    assert found is not None
    offered = re.findall(r'"([a-z_]+)"', found[1])
    assert offered == list(NAMES)
    # The page says what a camera without a group reads by the first two.
    assert tuple(offered[: len(DEFAULT)]) == DEFAULT


def test_every_verdict_on_a_cameras_reading_has_words_and_a_remedy() -> None:
    known = set(words("pt-BR"))
    verdicts = MENDS.keys() - SIGHT_MENDS.keys()
    assert {key.removeprefix("fault.") for key in known if key.startswith("fault.")} == verdicts
    assert {key.removeprefix("remedy.") for key in known if key.startswith("remedy.")} == verdicts
    assert {f"reason.{code}" for code in CODES} <= known
