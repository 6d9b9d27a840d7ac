"""A sequence of calls made short, and written as a C program."""

import json

_HEAD = """#define _GNU_SOURCE
#define ZMQ_BUILD_DRAFT_API
#include <zmq.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#define SHOW(call) printf("%-60.60s %ld, errno %d\\n", #call, (long) (call), zmq_errno())

static void done(void *data, void *hint) { (void) hint; free(data); }

int main(void)
{
    void *c[3] = {0}, *s[10] = {0}, *monitor[10] = {0}, *p[2] = {0};
    int f[4]; // f[0] is where f[1] is read
    uint32_t route[10] = {0}, last = 0;
    zmq_msg_t m[6];
    char at[1024], out[70000];
    size_t size;
    struct iovec parts[8];
    pipe2(f, O_NONBLOCK);
    pipe2(f + 2, O_NONBLOCK);
    for (int i = 0; i < 6; ++i) zmq_msg_init(&m[i]);
    for (int i = 0; i < 8; ++i) parts[i] = (struct iovec) {out + 8 * i, 3 + i};
"""


def shrink(calls, shows):
    """The fewest of `calls` for which `shows` still holds: delta debugging, the last call always stays."""
    size = max(len(calls) // 2, 1)
    while True:
        at, cut = 0, False
        while at < len(calls) - 1:
            fewer = calls[:at] + calls[min(at + size, len(calls) - 1) :]
            if shows(fewer):
                calls, cut = fewer, True
            else:
                at += size
        if size == 1 and not cut:
            return calls
        size = max(size // 2, 1)


def as_c(calls, theirs, ours):
    """A program that makes `calls`; the last one is the one that differs."""
    body = "\n".join(f"    {line}" for call in calls for line in _statement(call.split()))
    verdict = f"    // original: {theirs[:100]}\n    // compared: {ours[:100]}"
    return f"{_HEAD}{body}\n{verdict}\n    return 0;\n}}"


def _statement(words):
    name, rest = words[0], words[1:]
    if name in _SPECIAL:
        return _SPECIAL[name](*rest)
    arguments = ", ".join(_argument(word) for word in rest)
    return [f"SHOW(zmq_{name}({arguments}));"]


def _argument(word):
    if word == "-" or word[1:] == "-" and word[0] in "csmp":
        return "NULL"
    if word[0] in "cspf" and word[1:].isdigit():
        return f"{word[0]}[{word[1:]}]"
    if word[0] == "m" and word[1:].isdigit():
        return f"&m[{word[1:]}]"
    return _string(word) if word[0] == "x" else "at" if word[0] == "@" else word


def _string(word):
    text = "".join(chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}" for byte in bytes.fromhex(word[1:]))
    return f'"{text}"'


def _size(word):
    return 0 if word == "-" else (len(word) - 1) // 2


def _endpoint(name):
    def statement(socket, address):
        lines = []
        if address[0] == "@":
            lines.append(f"size = sizeof at; zmq_getsockopt(s[{address[1:]}], ZMQ_LAST_ENDPOINT, at, &size);")
        return [*lines, f"SHOW(zmq_{name}({_argument(socket)}, {_argument(address)})); usleep(30000);"]

    return statement


def _messages(socket, call):
    """Takes whole messages, frame by frame."""
    return [f"for (int more = 1, got; more && (got = {call}) >= 0; size = sizeof more, zmq_getsockopt({socket}, ZMQ_RCVMORE, &more, &size)) {{ printf(\"received %d: \", got); fwrite(out, 1, got, stdout); puts(\"\"); }}"]


def _poll(timeout, *items, function="zmq_poll({items}, {count}, {timeout})"):
    pairs = list(zip(items[::2], items[1::2]))
    listed = ", ".join(f"{{{_argument(socket) if socket[0] == 's' else 'NULL'}, {-1 if socket[0] == 's' else _argument(socket)}, {events}, 0}}" for socket, events in pairs)
    lines = [f"zmq_pollitem_t items[] = {{{listed}}};" if pairs else "zmq_pollitem_t *items = NULL;", f"SHOW({function.format(items='items', count=len(pairs), timeout=timeout)});"]
    return ["{", *lines, f'for (int i = 0; i < {len(pairs)}; ++i) printf("  revents %d\\n", items[i].revents);', "}"]


def _route(word):
    return f"route[{word[1:]}]" if word[0] == "s" else word


def _versioned(socket, address, events, version, kind):
    lines = [f"SHOW(zmq_socket_monitor_versioned({_argument(socket)}, {_argument(address)}, {events}, {version}, {kind}));"]
    reader = {"1": "ZMQ_SUB", "8": "ZMQ_PULL"}.get(kind, "ZMQ_PAIR")
    at = f"monitor[{socket[1:]}]"
    lines.append(f"{at} = zmq_socket(c[0], {reader}); zmq_connect({at}, {_argument(address)});")
    return [*lines, f'zmq_setsockopt({at}, ZMQ_SUBSCRIBE, "", 0);'] if reader == "ZMQ_SUB" else lines


# Calls of the draft API.
_DRAFT = {
    "ppoll": lambda timeout, *items: _poll(int(timeout) % 1000, *items, function="zmq_ppoll({items}, {count}, {timeout}, NULL)"),
    "poller_new": lambda poller: [f"{_argument(poller)} = zmq_poller_new();"] if poller != "p-" else [],
    "poller_destroy": lambda poller: [f"SHOW(zmq_poller_destroy(&{_argument(poller)}));"],
    "poller_add": lambda poller, socket, tag, events: [f"SHOW(zmq_poller_add({_argument(poller)}, {_argument(socket)}, (void *) {tag}, {events}));"],
    "poller_add_fd": lambda poller, fd, tag, events: [f"SHOW(zmq_poller_add_fd({_argument(poller)}, {_argument(fd)}, (void *) {tag}, {events}));"],
    "poller_fd": lambda poller: [f"{{ int fd; SHOW(zmq_poller_fd({_argument(poller)}, &fd)); }}"],
    "poller_wait": lambda poller, timeout: [f"{{ zmq_poller_event_t event; SHOW(zmq_poller_wait({_argument(poller)}, &event, {timeout})); }}"],
    "poller_wait_all": lambda poller, room, timeout: [
        f"{{ zmq_poller_event_t events[6]; SHOW(zmq_poller_wait_all({_argument(poller)}, events, {room}, {timeout})); }}"
    ],
    "poller_null": lambda *_: ["// zmq_poller_... with NULL"],
    "connect_peer": lambda socket, address: [*_endpoint("connect_peer")(socket, address), f"// route[{socket[1:]}] = what it gave"],
    "msg_set_routing_id": lambda message, route: [f"SHOW(zmq_msg_set_routing_id({_argument(message)}, {_route(route)}));"],
    "msg_routing_id": lambda message: [f"SHOW(last = zmq_msg_routing_id({_argument(message)}));"],
    "msg_group": lambda message: [f"puts(zmq_msg_group({_argument(message)}));"],
    "msg_init_buffer": lambda message, data: [f"SHOW(zmq_msg_init_buffer({_argument(message)}, {_argument(data)}, {_size(data)}));"],
    "ctx_set_ext": lambda context, option, value: [f"SHOW(zmq_ctx_set_ext({_argument(context)}, {option}, {_argument(value)}, {_size(value)}));"],
    "ctx_get_ext": lambda context, option, size: [f"size = {size}; SHOW(zmq_ctx_get_ext({_argument(context)}, {option}, out, &size));"],
    "peer_state": lambda socket, name: [f"SHOW(zmq_socket_get_peer_state({_argument(socket)}, {_argument(name)}, {_size(name)}));"],
    "pipes_stats": lambda socket: [f"SHOW(zmq_socket_monitor_pipes_stats({_argument(socket)}));"],
    "monitor_versioned": _versioned,
    "events2": lambda socket: [f"// what monitor[{socket[1:]}] has: number, how many values, values, both ends"],
}
_SPECIAL = _DRAFT | {
    "ctx_new": lambda context: [f"c[{context[1:]}] = zmq_ctx_new();"],
    "init": lambda context, threads: [f"c[{context[1:]}] = zmq_init({threads});"],
    "socket": lambda socket, context, kind: [f"SHOW(s[{socket[1:]}] = zmq_socket({_argument(context)}, {kind}));"],
    "setsockopt": lambda socket, option, value: [f"SHOW(zmq_setsockopt({_argument(socket)}, {option}, {_argument(value)}, {_size(value)}));"],
    "getsockopt": lambda socket, option, size: [
        f"size = {size}; SHOW(zmq_getsockopt({_argument(socket)}, {option}, out, &size));",
        'for (size_t i = 0; i < size; ++i) printf("%02x", (unsigned char) out[i]); puts("");',
    ],
    **{name: _endpoint(name) for name in ("bind", "connect", "unbind", "disconnect")},
    "monitor": lambda socket, address, events: [
        f"SHOW(zmq_socket_monitor({_argument(socket)}, {_argument(address)}, {events}));",
        f"monitor[{socket[1:]}] = zmq_socket(c[0], ZMQ_PAIR); zmq_connect(monitor[{socket[1:]}], {_argument(address)});",
    ],
    "events": lambda socket: [
        f'while (zmq_recv(monitor[{socket[1:]}], out, sizeof out, ZMQ_DONTWAIT) >= 0) {{ printf("event %d\\n", *(unsigned short *) out); zmq_recv(monitor[{socket[1:]}], out, sizeof out, 0); }}'
    ],
    "send": lambda socket, data, flags: [f"SHOW(zmq_send({_argument(socket)}, {_argument(data)}, {_size(data)}, {flags}));"],
    "send_const": lambda socket, size, flags: [f"SHOW(zmq_send_const({_argument(socket)}, \"constant\", {size}, {flags}));"],
    "recv": lambda socket, size, flags: [f"SHOW(zmq_recv({_argument(socket)}, out, {size}, {flags}));"],
    "recv_all": lambda socket: _messages(_argument(socket), f"zmq_recv({_argument(socket)}, out, sizeof out, ZMQ_DONTWAIT)"),
    "echo": lambda socket: [
        f"for (int more = 1; more && zmq_msg_recv(&m[5], {_argument(socket)}, ZMQ_DONTWAIT) >= 0;) {{ more = zmq_msg_more(&m[5]); SHOW(zmq_msg_send(&m[5], {_argument(socket)}, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0))); }}"
    ],
    "sendiov": lambda socket, count, flags: [f"SHOW(zmq_sendiov({_argument(socket)}, parts, {count}, {flags}));"],
    "recviov": lambda socket, count: [f"size = {count}; SHOW(zmq_recviov({_argument(socket)}, parts, &size, ZMQ_DONTWAIT));"],
    "poll": _poll,
    "poll_null": lambda count: [f"SHOW(zmq_poll(NULL, {count}, 0));"],
    "msg_init_data": lambda message, size: [f"SHOW(zmq_msg_init_data({_argument(message)}, calloc(1, {size} + 1), {size}, done, NULL));"],
    "msg_look": lambda message: [f'printf("size %zu, more %d\\n", zmq_msg_size({_argument(message)}), zmq_msg_more({_argument(message)}));'],
    "freed": lambda: ["// the number of free callbacks that have run"],
    "z85_encode": lambda data: [f"SHOW(zmq_z85_encode(out, (unsigned char *) {_argument(data)}, {_size(data)})); puts(out);"],
    "z85_decode": lambda data: [f"SHOW(zmq_z85_decode((unsigned char *) out, {_argument(data)}));"],
    "curve_public": lambda data: [f"SHOW(zmq_curve_public(out, {_argument(data)}));"],
    "strerror": lambda number: [f"puts(zmq_strerror({number}));"],
    "fd_write": lambda fd, size: [f'SHOW(write({_argument(fd)}, "bytes", {size}));'],
    "fd_read": lambda fd: [f"SHOW(read({_argument(fd)}, out, 8));"],
    "proxy_life": lambda *words: [f"// a proxy's life: {json.dumps(words)}"],
    "proxy": lambda front, capture: [f"SHOW(zmq_proxy({_argument(front)}, NULL, {_argument(capture)}));"],
    "timers": lambda *words: [f"// timers: {json.dumps(words)}"],
    "timers_null": lambda: ["// zmq_timers_... with NULL"],
}
