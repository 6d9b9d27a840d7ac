/* zmq_disconnect_peer, which libzmq has since 4.3.6: a SERVER or PEER sends one peer away and keeps the others. */
#include "check.h"

static void sends_one_away(int type, int peer_type, const char *endpoint)
{
    void *context = zmq_ctx_new();
    void *server = new_socket(context, type);
    const char *address = bound(server, endpoint);
    void *one = new_socket(context, peer_type), *two = new_socket(context, peer_type);
    uint32_t id_of_one, id_of_two;
    if (peer_type == ZMQ_PEER) {
        uint32_t at_one = zmq_connect_peer(one, address), at_two = zmq_connect_peer(two, address);
        CHECK(at_one != 0 && at_two != 0);
        CHECK(say_to(one, at_one, "one") == 0);
        id_of_one = expect_from(server, "one");
        CHECK(say_to(two, at_two, "two") == 0);
    } else {
        CHECK(zmq_connect(one, address) == 0 && zmq_connect(two, address) == 0);
        say(one, "one");
        id_of_one = expect_from(server, "one");
        say(two, "two");
    }
    id_of_two = expect_from(server, "two");
    CHECK(id_of_one != id_of_two && id_of_one != 0 && id_of_two != 0);

    /* What was sent before still arrives. */
    CHECK(say_to(server, id_of_one, "last") == 0);
    CHECK(zmq_disconnect_peer(server, id_of_one) == 0);
    FAILS(zmq_disconnect_peer(server, id_of_one), EHOSTUNREACH);
    FAILS(say_to(server, id_of_one, "too late"), EHOSTUNREACH);
    expect(one, "last");
    expect_nothing(one);
    CHECK(say_to(server, id_of_two, "still here") == 0);
    expect(two, "still here");

    void *sockets[] = {server, one, two};
    finish(context, sockets, 3);
}

int main(void)
{
    sends_one_away(ZMQ_SERVER, ZMQ_CLIENT, "tcp://127.0.0.1:*");
    sends_one_away(ZMQ_SERVER, ZMQ_CLIENT, "inproc://server");
    sends_one_away(ZMQ_PEER, ZMQ_PEER, "tcp://127.0.0.1:*");
    sends_one_away(ZMQ_PEER, ZMQ_PEER, "inproc://peer");

    void *context = zmq_ctx_new();
    void *router = new_socket(context, ZMQ_ROUTER);
    FAILS(zmq_disconnect_peer(router, 1), ENOTSUP);
    CHECK(zmq_connect_peer(router, "inproc://x") == 0 && zmq_errno() == ENOTSUP);
    FAILS(zmq_disconnect_peer(NULL, 1), ENOTSOCK);
    finish(context, &router, 1);
    return 0;
}
