"""An RTSP server over GStreamer's gst-rtsp-server, run by Debian's /usr/bin/python3, which has `gi`.

Imports nothing of ours. Reads one line of JSON from standard input:
    {"port": 0, "secure_port": 0, "mounts": [
        {"path": "/a", "file": "a.mp4", "codec": "h264", "loop": true, "user": null, "password": null}]}
prints one line `{"port": N, "secure_port": M}` when it listens on 127.0.0.1 (TCP interleaved only), and ends on
SIGTERM or when its standard input closes, so that it never outlives the process that started it. Passwords come by
standard input alone. Mounts with a user answer on the secure port, which asks everybody for digest authentication:
gst-rtsp-server lets open and protected mounts share a port only by answering 404 where 401 is due.

A file loops for ever without a gap in its timestamps: a non-flushing SEGMENT seek soon after the media plays, and
another one each time the segment is done. (A flushing seek makes gst-rtsp-server abort; `multifilesrc loop=true` sends
no timestamps.)
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from typing import Any

gi: Any = importlib.import_module("gi")
for _name in ("Gst", "GstRtsp", "GstRtspServer"):
    gi.require_version(_name, "1.0")
_modules: list[Any] = [
    importlib.import_module(f"gi.repository.{name}") for name in ("GLib", "Gst", "GstRtsp", "GstRtspServer")
]
GLib, Gst, GstRtsp, GstRtspServer = _modules

# Parameter sets come from the parser alone: the payloader would put them before every slice of a keyframe, and
# clients would take each slice for a picture.
PAYLOADERS = {
    "h264": "h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96",
    "hevc": "h265parse config-interval=-1 ! rtph265pay name=pay0 pt=96",
    "aac": "aacparse ! rtpmp4gpay name=pay0 pt=96",
}
SEEK_DELAY_MS = 1500


class Looper:
    """Keeps one media playing for ever. Its callbacks hold it as long as the media lives."""

    def __init__(self, media: Any) -> None:
        self.pay = media.get_element().get_by_name("pay0")
        self.started = False
        self.alive = True
        self.pad = self.pay.get_static_pad("sink")
        self.pad.add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, self._on_event)
        media.connect("new-state", self._on_state)
        media.connect("unprepared", self._on_unprepared)

    def _on_state(self, _media: Any, state: int) -> None:
        if state == int(Gst.State.PLAYING) and not self.started:
            self.started = True
            GLib.timeout_add(SEEK_DELAY_MS, self._seek)

    def _on_unprepared(self, _media: Any) -> None:
        self.alive = False

    def _on_event(self, _pad: Any, info: Any) -> Any:
        if info.get_event().type == Gst.EventType.SEGMENT_DONE:
            GLib.idle_add(self._seek)
        return Gst.PadProbeReturn.OK

    def _picture_ns(self) -> int:
        caps = self.pad.get_current_caps()
        found, frames, seconds = caps.get_structure(0).get_fraction("framerate") if caps else (False, 0, 1)
        return int(Gst.SECOND * seconds // frames) if found and frames else 0

    def _seek(self) -> bool:
        if self.alive:
            # The demuxer starts the next round at the time of the last picture: without a shift by the length of that
            # picture, two pictures would bear the same time.
            self.pad.set_offset(self.pad.get_offset() + self._picture_ns())
            event = Gst.Event.new_seek(
                1.0, Gst.Format.TIME, Gst.SeekFlags.SEGMENT, Gst.SeekType.SET, 0, Gst.SeekType.NONE, -1
            )
            self.pay.send_event(event)
        return False


def make_factory(mount: dict[str, Any]) -> Any:
    """A shared media factory: the file is demuxed and sent as it is, once for all clients."""
    factory = GstRtspServer.RTSPMediaFactory()
    path = str(mount["file"]).replace("\\", "\\\\").replace('"', '\\"')
    factory.set_launch(f'( filesrc location="{path}" ! qtdemux ! queue ! {PAYLOADERS[mount["codec"]]} )')
    factory.set_shared(True)
    factory.set_protocols(GstRtsp.RTSPLowerTrans.TCP)
    if mount.get("loop", True):
        factory.connect("media-configure", lambda _factory, media: Looper(media))
    return factory


def protect(server: Any, factory: Any, mount: dict[str, Any], role: str) -> None:
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role(role, "media.factory.access", True)
    permissions.add_permission_for_role(role, "media.factory.construct", True)
    factory.set_permissions(permissions)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", role)
    server.get_auth().add_digest(mount["user"], mount["password"], token)


def make_server(port: int, mounts: list[dict[str, Any]], secure: bool) -> Any:
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(port))
    server.set_backlog(256)
    if secure:
        auth = GstRtspServer.RTSPAuth()
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        server.set_auth(auth)
    points = server.get_mount_points()
    for number, mount in enumerate(mounts):
        factory = make_factory(mount)
        if secure:
            protect(server, factory, mount, f"user{number}")
        points.add_factory(mount["path"], factory)
    return server


def listen(config: dict[str, Any]) -> dict[str, Any]:
    """The servers by kind, attached: `port` for open mounts, `secure_port` for those with a user; no empty ones."""
    servers: dict[str, Any] = {}
    for kind in ("port", "secure_port"):
        secure = kind == "secure_port"
        mounts = [mount for mount in config["mounts"] if bool(mount.get("user")) is secure]
        if not mounts:
            continue
        server = make_server(config[kind], mounts, secure)
        if server.attach(None) == 0:
            raise OSError(f"port {config[kind]} cannot be bound on 127.0.0.1")
        servers[kind] = server
    return servers


def read_line(descriptor: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(descriptor, 65536)
        if not part:
            break
        line += part
    return line


def main() -> int:
    Gst.init(None)
    config = json.loads(read_line(sys.stdin.fileno()))
    loop = GLib.MainLoop()
    try:
        servers = listen(config)
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 2

    def stop(*_: object) -> bool:
        loop.quit()
        return False

    def sweep() -> bool:
        for server in servers.values():
            server.get_session_pool().cleanup()
        return True

    GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGTERM, stop)
    GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGINT, stop)
    GLib.io_add_watch(sys.stdin.fileno(), GLib.PRIORITY_HIGH, GLib.IOCondition.HUP | GLib.IOCondition.ERR, stop)
    GLib.timeout_add_seconds(10, sweep)
    sys.stdout.write(json.dumps({kind: server.get_bound_port() for kind, server in servers.items()}) + "\n")
    sys.stdout.flush()
    loop.run()
    # Pipelines with many streaming threads take seconds to tear down; nothing here needs saving.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
