"""For each reason for which messages are dropped: the type of the socket that counts them, how many there are, and a program that loses
them so."""

REASONS = {
    "high_water_mark": (
        "PUB",
        10,
        """
        publisher, subscriber = context.socket(zmq.PUB), context.socket(zmq.SUB)
        publisher.sndhwm = subscriber.rcvhwm = 1; subscriber.subscribe(b"")
        publisher.bind("inproc://full"); subscriber.connect("inproc://full")
        for _ in range(12): publisher.send(b"x")
        """,
    ),
    "no_subscriber": (
        "PUB",
        5,
        """
        publisher = context.socket(zmq.PUB); publisher.bind("inproc://unheard")
        for _ in range(5): publisher.send(b"x")
        """,
    ),
    "unroutable": (
        "ROUTER",
        3,
        """
        router = context.socket(zmq.ROUTER); router.bind("inproc://unknown")
        for _ in range(3): router.send_multipart([b"stranger", b"x"])
        """,
    ),
    "conflate": (
        "PUSH",
        9,
        """
        push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
        push.conflate = pull.conflate = 1
        pull.bind("inproc://latest"); push.connect("inproc://latest")
        for _ in range(10): push.send(b"x")
        """,
    ),
    "over_size": (
        "PULL",
        1,
        """
        push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
        pull.maxmsgsize = 10
        pull.bind("tcp://127.0.0.1:*"); push.connect(pull.last_endpoint)
        push.send(b"x" * 11)
        """,
    ),
    "linger_over": (
        "PUSH",
        4,
        """
        push = context.socket(zmq.PUSH); push.linger = 0
        push.connect("tcp://127.0.0.1:1")
        for _ in range(4): push.send(b"x")
        push.disconnect("tcp://127.0.0.1:1")
        """,
    ),
    "disconnected": (
        "DEALER",
        17,
        """
        dealer, peer = context.socket(zmq.DEALER), context.socket(zmq.DEALER)
        dealer.bind("inproc://workers"); peer.connect("inproc://workers")
        for _ in range(17): dealer.send(b"")
        peer.close()
        while dealer.poll(1, zmq.POLLOUT): pass
        """,
    ),
    "malformed": (
        "REP",
        2,
        """
        reply, dealer = context.socket(zmq.REP), context.socket(zmq.DEALER)
        reply.bind("inproc://enveloped"); dealer.connect("inproc://enveloped")
        for _ in range(2): dealer.send(b"no envelope")
        reply.poll(0)
        """,
    ),
    "filtered": (
        "SUB",
        5,
        """
        publisher, subscriber = context.socket(zmq.PUB), context.socket(zmq.SUB)
        subscriber.subscribe(b"a")
        publisher.bind("inproc://wanted"); subscriber.connect("inproc://wanted")
        for _ in range(5): publisher.send(b"a")
        subscriber.unsubscribe(b"a")
        subscriber.poll(0)
        """,
    ),
}
