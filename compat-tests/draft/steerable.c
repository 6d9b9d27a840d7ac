/* zmq_proxy_steerable with control sockets of every type that newer libzmq takes. */
#include <pthread.h>
#include "check.h"

static void *context;

struct proxy {
    void *frontend, *backend, *control;
};

static void *run(void *argument)
{
    struct proxy *proxy = argument;
    CHECK(zmq_proxy_steerable(proxy->frontend, proxy->backend, NULL, proxy->control) == 0);
    return NULL;
}

static void steered_by(int type, int peer_type)
{
    context = zmq_ctx_new();
    struct proxy proxy = {new_socket(context, ZMQ_PULL), new_socket(context, ZMQ_PUSH), new_socket(context, type)};
    void *source = new_socket(context, ZMQ_PUSH), *sink = new_socket(context, ZMQ_PULL);
    void *control = new_socket(context, peer_type);
    int forever = -1;
    CHECK(zmq_setsockopt(proxy.control, ZMQ_RCVTIMEO, &forever, sizeof forever) == 0);
    CHECK(zmq_bind(proxy.frontend, "inproc://frontend") == 0 && zmq_bind(proxy.backend, "inproc://backend") == 0);
    CHECK(zmq_bind(proxy.control, "inproc://control") == 0);
    if (type == ZMQ_SUB)
        CHECK(zmq_setsockopt(proxy.control, ZMQ_SUBSCRIBE, "", 0) == 0);
    CHECK(zmq_connect(source, "inproc://frontend") == 0 && zmq_connect(sink, "inproc://backend") == 0);
    CHECK(zmq_connect(control, "inproc://control") == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, run, &proxy) == 0);
    say(source, "through");
    expect(sink, "through");

    say(control, "PAUSE");
    if (peer_type == ZMQ_REQ)
        expect(control, "");
    if (type == ZMQ_PAIR || type == ZMQ_REP) {
        say(control, "STATISTICS");
        for (int part = 0; part < 8; ++part) {
            uint64_t count;
            CHECK(zmq_recv(control, &count, sizeof count, 0) == sizeof count);
            /* One message of seven bytes came in at the front and left at the back. */
            static const uint64_t counts[8] = {1, 7, 0, 0, 0, 0, 1, 7};
            CHECK(count == counts[part]);
        }
    }
    say(control, "RESUME");
    if (peer_type == ZMQ_REQ)
        expect(control, "");
    say(source, "again");
    expect(sink, "again");
    say(control, "TERMINATE");
    if (peer_type == ZMQ_REQ)
        expect(control, "");
    CHECK(pthread_join(thread, NULL) == 0);
    void *sockets[] = {proxy.frontend, proxy.backend, proxy.control, source, sink, control};
    finish(context, sockets, 6);
}

int main(void)
{
    steered_by(ZMQ_PAIR, ZMQ_PAIR);
    steered_by(ZMQ_REP, ZMQ_REQ);
    steered_by(ZMQ_SUB, ZMQ_PUB);
    steered_by(ZMQ_PULL, ZMQ_PUSH);
    return 0;
}
