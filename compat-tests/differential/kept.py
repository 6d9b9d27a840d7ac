"""Sequences that once gave two answers: each keeps what was mended, with whatever seed the run begins."""

STABLE = {
    # The first attempt to connect fails and there is to be no other: the endpoint stays.
    "no-second-attempt": """
ctx_new c0
socket s0 c0 8
setsockopt s0 18 xffffffff
setsockopt s0 17 x00000000
connect s0 x7463703a2f2f3132372e302e302e313a31
send s0 x61 1
poll 0 s0 2
getsockopt s0 15 4
disconnect s0 x7463703a2f2f3132372e302e302e313a31
send s0 x62 1
disconnect s0 x7463703a2f2f3132372e302e302e313a31
socket s1 c0 3
setsockopt s1 18 x00000000
monitor s1 x696e70726f633a2f2f6d 65535
connect s1 x6970633a2f2f6e6f626f6479
send s1 x61 1
events s1
poll 0 s1 3
close s1
""",
    # An empty frame to a STREAM closes its peer's connection; that one is told.
    "stream-closed-by-an-empty-frame": """
ctx_new c0
socket s0 c0 11
bind s0 x6970633a2f2f2a
socket s1 c0 11
connect s1 @0
recv_all s0
echo s1
getsockopt s0 15 4
recv_all s0
recv_all s1
poll 0 s0 1 s1 1
""",
    # Descriptors among the sockets, items of no socket at all, and a proxy from its start to its end.
    "waiting": """
ctx_new c0
socket s0 c0 0
bind s0 x696e70726f633a2f2f61
socket s1 c0 0
connect s1 x696e70726f633a2f2f61
poll 0 f0 1 s0 3 s1 1 f1 2 -1 1
fd_write f1 3
send s1 x6162 1
poll 10 f0 1 s0 1 s1 1 f1 0 f2 3
fd_read f0
poll 0 f0 3 s0 1
proxy_life 0 1 0 5 0 300
proxy_life 1 1 1 5 -1
proxy_life 2 0 2 5
timers a 0 20 o 0 20 a 0 60000 e 0 0 s 0 50 e 0 0 t 0 0 s 0 50 e 0 0 r 0 0 e 0 0
""",
}

DRAFT = {
    # Versions of events that nobody knows are taken, and nothing is told.
    "odd-versions-of-a-monitor": """
ctx_new c0
socket s0 c0 1
monitor_versioned s0 x7463703a2f2f3132372e302e302e313a2a 65535 0 2
monitor_versioned s0 x696e70726f633a2f2f6e 0 3 8
monitor_versioned s0 x696e70726f633a2f2f6f 131071 3 0
bind s0 x7463703a2f2f3132372e302e302e313a2a
pipes_stats s0
events2 s0
monitor_versioned s0 - 0 7 0
""",
    # A DISH reads from its peers in turns, and one whose message was announced has had its turn.
    "turns-of-a-dish": """
ctx_new c0
socket s0 c0 15
bind s0 x696e70726f633a2f2f64697368
socket s1 c0 14
connect s1 x696e70726f633a2f2f64697368
socket s2 c0 14
connect s2 x696e70726f633a2f2f64697368
join s0 x61
msg_init_buffer m1 x31
msg_set_group m1 x61
msg_send m1 s2 1
msg_recv m2 s0 1
msg_look m2
msg_init_buffer m1 x32
msg_set_group m1 x61
msg_send m1 s1 1
msg_init_buffer m1 x33
msg_set_group m1 x61
msg_send m1 s2 1
msg_init_buffer m1 x34
msg_set_group m1 x61
msg_send m1 s1 1
msg_recv m2 s0 1
msg_look m2
msg_recv m2 s0 1
msg_look m2
msg_recv m2 s0 1
msg_look m2
""",
}
