"""A file of counters by the layout that tools/ferrozmq reads, of a process that is there: this one."""

import os
import struct
import time
from pathlib import Path

STRIDE = 1024
NAMES_AT = 4096
KINDS = {"process": 1, "context": 2, "io_thread": 3, "socket": 4, "connection": 5, "lane": 6}
SOCKET = (
    "messages_sent bytes_sent frames_sent messages_received bytes_received frames_received sends_refused receives_refused connects accepts "
    "reconnects handshakes_succeeded handshakes_failed_auth handshakes_failed_timeout disconnects_stream disconnects_timeout bans "
    "connections_refused dropped_high_water_mark dropped_no_subscriber dropped_unroutable dropped_conflate"
)
CONNECTION = "messages_sent bytes_sent send_calls messages_received bytes_received receive_calls"
LANE = (
    "read requests_read bytes_read continuation_frames_read greatest_depth_read reader_socket written requests_written bytes_written "
    "continuation_frames_written conflated greatest_depth_written writer_socket"
)
BUCKETS = "1000000", "+Inf"


def _rows():
    rows = []
    for kind, names in {"socket": SOCKET, "connection": CONNECTION, "lane": LANE}.items():
        rows += [(kind, name, 16 + 8 * index, "count", "counter", f"What {name} counts.") for index, name in enumerate(names.split())]
    rows += [("socket", "handshake_time", 400 + 8 * index, "nanoseconds", f"bucket {end}", "Handshakes.") for index, end in enumerate(BUCKETS)]
    rows += [("socket", "handshake_time_sum", 416, "nanoseconds", "counter", "Their time.")]
    rows += [("socket", "type", 512, "", "text 16", ""), ("socket", "endpoints", 528, "", "text 192", "")]
    rows += [("connection", "handshake_time", 504, "nanoseconds", "gauge", "How long it took."), ("connection", "accepted", 496, "", "gauge", "")]
    texts = ("peer", "endpoint", "user_id", "mechanism")
    return rows + [("connection", name, 512 + 96 * index, "", "text 96", "") for index, name in enumerate(texts)]


ROWS = _rows()
_PLACES = {(kind, name): place for kind, name, place, *_ in ROWS}


class File:
    """Records are added and changed; `write` makes the file anew, so that a reader sees the old one or the new one."""

    def __init__(self, folder):
        self.pid = os.getpid()
        self.path = Path(folder) / f"ferrozmq.{self.pid}"
        self.started = int(Path(f"/proc/{self.pid}/stat").read_text().rsplit(") ", 1)[1].split()[19])
        self.records = {kind: {} for kind in KINDS}
        self.opened = time.time_ns()

    def put(self, kind, serial, parent=0, **values):
        record = self.records[kind].setdefault(serial, bytearray(STRIDE))
        struct.pack_into("QQ", record, 0, serial, parent)
        for name, value in values.items():
            place = _PLACES[kind, name]
            if isinstance(value, str):
                record[place : place + len(value.encode())] = value.encode()
            else:
                struct.pack_into("Q", record, place, value)

    def buckets(self, serial, counts):
        struct.pack_into(f"{len(counts)}Q", self.records["socket"][serial], 400, *counts)

    def contents(self):
        names = "".join("\t".join(map(str, row)) + "\n" for row in ROWS).encode()
        start = NAMES_AT + -(-len(names) // STRIDE) * STRIDE
        sections, body = b"", b""
        for kind, records in self.records.items():
            if records:
                sections += struct.pack("IIII", KINDS[kind], start + len(body), STRIDE, len(records))
                body += b"".join(records.values())
        head = b"FZMQSTAT" + struct.pack("II", 1, 64 + len(sections))
        head += struct.pack("QQQQQ", self.pid, self.started, self.opened, time.time_ns(), 2)
        head += struct.pack("II", NAMES_AT, len(names)) + sections
        return (head.ljust(NAMES_AT, b"\0") + names).ljust(start, b"\0") + body

    def write(self):
        new = self.path.with_suffix(".new")
        new.write_bytes(self.contents())
        new.rename(self.path)
