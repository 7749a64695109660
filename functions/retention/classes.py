"""The classes of what is kept: what each is, where it lies, for how long, and why it may be kept. One list.

The README's table, the policy, the runs and the reports all go by it. A room that keeps something of its own adds a
row here and, where retention shall delete it, a `Rows` in `due.ROWS`.
"""

from __future__ import annotations

from dataclasses import dataclass

from functions.shared.config import FunctionSettings


@dataclass(frozen=True)
class DataClass:
    """`setting` names the days; "" where `fixed` days are not to be chosen (None: not by age). `by_camera`: groups of
    cameras may keep it for another time than the platform. `by_itself`: not retention deletes it, but the bus or the
    room whose it is. `kept` says until when, where that is no number of days."""

    name: str
    what: str
    where: str
    setting: str
    basis: str
    fixed: int | None = None
    by_camera: bool = False
    by_itself: bool = False
    kept: str = ""


_POLICY = "art. 7 III, 23: public policy of the city"
_ACCOUNT = "art. 6 X, 37: record of processing"
_RUN = "art. 7 III: needed to run the above"
_CLASSES: tuple[DataClass, ...] = (
    DataClass(
        "detections", "passages: plate, time, camera, vehicle, what each frame showed, which came from other systems",
        "tables `detections`, `observations`, `received_reads`", "retention_detections_days", _POLICY, by_camera=True,
    ),
    DataClass(
        "images", "pictures of the vehicle and of its plate", "store `vehicles/`, `plates/`",
        "retention_images_days", _POLICY, by_camera=True,
    ),
    DataClass(
        "corrections", "plates that people set right, each with a picture of the plate",
        "table `corrections`, store `corrections/`", "retention_corrections_days",
        "art. 6 V: accuracy of what is read", by_camera=True,
    ),
    DataClass(
        "alerts", "alerts of hotlists; while one is kept, its passage and pictures are",
        "tables `alerts`, `alert_notifications`", "retention_alerts_days", _POLICY,
    ),
    DataClass(
        "deliveries", "what was sent to webhooks, and the answers", "tables `webhook_deliveries`, `webhook_attempts`",
        "webhook_keep_days", _RUN, by_itself=True,
    ),
    DataClass(
        "audit", "who did what and looked whom up, with the reason; plates looked up stand in it", "table `audit`",
        "retention_audit_days", _ACCOUNT,
    ),
    DataClass(
        "reports", "what retention, erasures and checks did, without a plate", "table `retention_runs`", "", _ACCOUNT,
        fixed=1825,
    ),
    DataClass(
        "holds", "legal holds that were released or are over, with the plate", "table `legal_holds`", "", _ACCOUNT,
        fixed=1825,
    ),
    DataClass("outbox", "events that were published", "table `outbox`", "", _RUN, fixed=1),
    DataClass("frames", "ids of frames that were read, with boxes", "table `processed_frames`", "", _RUN, fixed=1),
    DataClass("answers", "answers that are given again to a repeated request", "table `idempotency_keys`", "", _RUN,
              fixed=1),
    DataClass("counts", "how much each person looked up", "table `lookup_counts`", "", _ACCOUNT, fixed=2),
    DataClass("spans", "when cameras could see and when not", "table `camera_spans`", "", _RUN, fixed=400),
    DataClass("hotlists", "plates that somebody is to be told of, with list, owner and reason",
              "tables `hotlists`, `hotlist_groups`, `hotlist_entries`", "", _POLICY, by_itself=True),
    DataClass("accounts", "people who sign in: name, hash of the password, role, groups, keys",
              "tables `users`, `user_groups`, `api_keys`, `api_key_groups`", "", _ACCOUNT, by_itself=True),
    DataClass("sessions", "sign-ins with address and browser, counted from their end; failed ones for a day",
              "tables `sessions`, `refresh_tokens`, `sign_in_tries`", "", _ACCOUNT, fixed=30, by_itself=True),
    DataClass("register", "cameras, their groups, how other systems name them, whom events are handed on to",
              "tables `cameras`, `groups`, `camera_aliases`, `webhooks`", "", _RUN, by_itself=True),
    DataClass("events", "events on the bus", "stream `EVENTS`", "", _RUN, fixed=7, by_itself=True),
    DataClass("dead_letters", "messages that were given up, of frames also the picture", "stream `DEAD_LETTERS`", "",
              _RUN, fixed=30, by_itself=True),
    DataClass("waiting_frames", "pictures of cameras that wait to be read, the newest three of each", "stream `FRAMES`",
              "", _RUN, by_itself=True, kept="1 minute"),
    DataClass("state", "what capture holds, how cameras fare and what their scene looks like; readers and pods that "
              "live; requests counted by user and address",
              "buckets `gtv_cameras`, `gtv_camera_status`, `gtv_camera_sight`, `gtv_camera_leases`, "
              "`gtv_capture_pods`, `gtv_readers`, `gtv_limits`", "", _RUN, by_itself=True,
              kept="until it is another; what lives and what is counted: 5 minutes at the most"),
    DataClass("logs", "what the parts did and which errors they met, by ids and names of users",
              "files `logs/` of `gtvision up`; in a cluster what collects the output of pods", "", _RUN, by_itself=True,
              kept="the newest 5 to 10 MB of each part; in a cluster its operator's choice"),
    DataClass("audit_archive", "rows cut off the audit log, where GTV_RETENTION_AUDIT_ARCHIVE asks for it; the log's "
              "end as the last check saw it", "store `audit/`", "", _ACCOUNT, by_itself=True,
              kept="until its operator deletes it"),
)  # fmt: skip
# A room that is not there keeps nothing: its setting is not there either.
CLASSES = tuple(each for each in _CLASSES if not each.setting or each.setting in FunctionSettings.model_fields)
BY_NAME = {each.name: each for each in CLASSES}


def default_days(each: DataClass, settings: FunctionSettings) -> int:
    """0: for ever."""
    return int(getattr(settings, each.setting)) if each.setting else each.fixed or 0


def chosen(name: str) -> bool:
    """Whether the days of a class may be chosen."""
    return name in BY_NAME and bool(BY_NAME[name].setting) and not BY_NAME[name].by_itself
