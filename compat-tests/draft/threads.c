/* The thread-safe sockets under several threads at once: nothing is lost, nothing comes twice. */
#include <pthread.h>
#include "check.h"

#define THREADS 4
#define EACH 2000

static void *sender_socket, *receiver_socket;
static unsigned char seen[THREADS][EACH];

static void *send_all(void *argument)
{
    int number = (int) (intptr_t) argument;
    for (int i = 0; i < EACH; ++i) {
        int message[2] = {number, i};
        CHECK(zmq_send(sender_socket, message, sizeof message, 0) == sizeof message);
    }
    return NULL;
}

/* Every thread takes as many as every other sends; all sleep on one socket. */
static void *receive_all(void *unused)
{
    (void) unused;
    for (int i = 0; i < EACH; ++i) {
        int message[2];
        CHECK(zmq_recv(receiver_socket, message, sizeof message, 0) == sizeof message);
        /* A place for each message, so that no two threads write to the same one. */
        CHECK(!__atomic_exchange_n(&seen[message[0]][message[1]], 1, __ATOMIC_SEQ_CST));
    }
    return NULL;
}

static void all_arrive(int from, int to, const char *endpoint)
{
    void *context = zmq_ctx_new();
    receiver_socket = new_socket(context, to);
    sender_socket = new_socket(context, from);
    CHECK(zmq_connect(sender_socket, bound(receiver_socket, endpoint)) == 0);
    memset(seen, 0, sizeof seen);
    pthread_t senders[THREADS], receivers[THREADS];
    for (intptr_t i = 0; i < THREADS; ++i) {
        CHECK(pthread_create(&receivers[i], NULL, receive_all, NULL) == 0);
        CHECK(pthread_create(&senders[i], NULL, send_all, (void *) i) == 0);
    }
    for (int i = 0; i < THREADS; ++i) {
        CHECK(pthread_join(senders[i], NULL) == 0);
        CHECK(pthread_join(receivers[i], NULL) == 0);
    }
    FAILS(zmq_recv(receiver_socket, NULL, 0, ZMQ_DONTWAIT), EAGAIN);
    void *sockets[] = {sender_socket, receiver_socket};
    finish(context, sockets, 2);
}

static void is_thread_safe(int type)
{
    void *context = zmq_ctx_new();
    void *socket = new_socket(context, type);
    int value = -1, fd;
    size_t size = sizeof value;
    CHECK(zmq_getsockopt(socket, ZMQ_THREAD_SAFE, &value, &size) == 0 && value == 1);
    CHECK(zmq_getsockopt(socket, ZMQ_RCVMORE, &value, &size) == 0 && value == 0);
    FAILS(zmq_getsockopt(socket, ZMQ_FD, &fd, &size), EINVAL);
    if (type != ZMQ_DISH && type != ZMQ_GATHER)
        FAILS(zmq_send(socket, "x", 1, ZMQ_SNDMORE | ZMQ_DONTWAIT), EINVAL);
    void *poller = zmq_poller_new();
    CHECK(zmq_poller_add(poller, socket, NULL, ZMQ_POLLIN) == 0);
    CHECK(zmq_poller_fd(poller, &fd) == 0 && fd >= 0);
    CHECK(zmq_poller_destroy(&poller) == 0);
    finish(context, &socket, 1);
}

int main(void)
{
    static const char *endpoints[] = {"tcp://127.0.0.1:*", "inproc://threads"};
    for (int i = 0; i < 2; ++i) {
        all_arrive(ZMQ_CLIENT, ZMQ_SERVER, endpoints[i]);
        all_arrive(ZMQ_SCATTER, ZMQ_GATHER, endpoints[i]);
        all_arrive(ZMQ_CHANNEL, ZMQ_CHANNEL, endpoints[i]);
    }
    static const int types[] = {ZMQ_SERVER,  ZMQ_CLIENT, ZMQ_RADIO, ZMQ_DISH,
                                ZMQ_SCATTER, ZMQ_GATHER, ZMQ_PEER,  ZMQ_CHANNEL};
    for (size_t i = 0; i < sizeof types / sizeof *types; ++i)
        is_thread_safe(types[i]);
    return 0;
}
