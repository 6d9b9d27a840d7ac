/* What a process does while its allocations fail (see allocations.c): contexts, sockets, every transport, CURVE, a monitor,
 * messages of 30 bytes to 300 KB and of two frames, subscriptions, polling. Argument "start": they fail from the beginning;
 * "connected": once all is connected.
 *
 * Ends with 0 whatever its calls say, as long as it ends by itself and messages flow again once memory is back; with 7 where
 * they do not. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

void fail_allocations(int on) __attribute__((weak));
long allocations_counted(void) __attribute__((weak));
long allocations_failed(void) __attribute__((weak));

#define PAIRS 8
#define ROUNDS 4
#define SECONDS 50

static const struct {
    int connects, binds;
    const char *endpoint;
} KINDS[PAIRS] = {
    {ZMQ_PUSH, ZMQ_PULL, "tcp://127.0.0.1:*"}, {ZMQ_PUB, ZMQ_SUB, "tcp://127.0.0.1:*"},  {ZMQ_DEALER, ZMQ_ROUTER, "ipc://a"},
    {ZMQ_PUSH, ZMQ_PULL, "tcp://127.0.0.1:*"}, {ZMQ_REQ, ZMQ_REP, "tcp://127.0.0.1:*"},  {ZMQ_PUSH, ZMQ_PULL, "ws://127.0.0.1:*"},
    {ZMQ_PAIR, ZMQ_PAIR, "inproc://x"},        {ZMQ_DEALER, ZMQ_DEALER, "tcp://127.0.0.1:*"},
};
enum { PUBSUB = 1, CURVE = 3, REQREP = 4, WS = 5 };

static void *context, *connecters[PAIRS], *binders[PAIRS], *monitor;
static int errors;
static char *buffer;
#define BUFFER 300000

static void count_failure(int result)
{
    errors += result < 0;
}

static void set_int(void *socket, int option, int value)
{
    if (socket)
        zmq_setsockopt(socket, option, &value, sizeof value);
}

static void *new_socket(int type)
{
    void *socket = zmq_socket(context, type);
    errors += !socket;
    set_int(socket, ZMQ_LINGER, 0);
    set_int(socket, ZMQ_RCVTIMEO, 60);
    set_int(socket, ZMQ_SNDTIMEO, 60);
    set_int(socket, ZMQ_RECONNECT_IVL, 10);
    return socket;
}

static void join(void *connecter, void *binder, const char *endpoint)
{
    char bound[200];
    size_t size = sizeof bound;
    if (!connecter || !binder)
        return;
    if (zmq_bind(binder, endpoint) || zmq_getsockopt(binder, ZMQ_LAST_ENDPOINT, bound, &size)) {
        ++errors;
        return;
    }
    count_failure(zmq_connect(connecter, bound));
}

static void use_curve(void)
{
    char public_key[41], secret_key[41], client_public[41], client_secret[41];
    if (zmq_curve_keypair(public_key, secret_key) || zmq_curve_keypair(client_public, client_secret)) {
        ++errors;
        return;
    }
    set_int(binders[CURVE], ZMQ_CURVE_SERVER, 1);
    if (binders[CURVE])
        count_failure(zmq_setsockopt(binders[CURVE], ZMQ_CURVE_SECRETKEY, secret_key, 41));
    if (connecters[CURVE]) {
        count_failure(zmq_setsockopt(connecters[CURVE], ZMQ_CURVE_SERVERKEY, public_key, 41));
        count_failure(zmq_setsockopt(connecters[CURVE], ZMQ_CURVE_PUBLICKEY, client_public, 41));
        count_failure(zmq_setsockopt(connecters[CURVE], ZMQ_CURVE_SECRETKEY, client_secret, 41));
    }
}

static void make_all(void)
{
    for (int i = 0; i < PAIRS; ++i) {
        connecters[i] = new_socket(KINDS[i].connects);
        binders[i] = new_socket(KINDS[i].binds);
    }
    use_curve();
    if (binders[0] && zmq_socket_monitor(binders[0], "inproc://monitor", ZMQ_EVENT_ALL) == 0) {
        monitor = new_socket(ZMQ_PAIR);
        if (monitor)
            count_failure(zmq_connect(monitor, "inproc://monitor"));
    }
    if (binders[PUBSUB])
        count_failure(zmq_setsockopt(binders[PUBSUB], ZMQ_SUBSCRIBE, "a", 1));
    for (int i = 0; i < PAIRS; ++i)
        if (i != WS || zmq_has("draft"))
            join(connecters[i], binders[i], KINDS[i].endpoint);
}

/* Four messages into each pair: two by copy, one of two frames, one that is handed over. */
static void send_all(int size)
{
    for (int i = 0; i < PAIRS; ++i) {
        if (!connecters[i] || !binders[i] || i == REQREP)
            continue;
        for (int part = 0; part < 3; ++part)
            zmq_send(connecters[i], buffer, size, ZMQ_DONTWAIT | (part == 1 ? ZMQ_SNDMORE : 0));
        zmq_msg_t message;
        if (zmq_msg_init_size(&message, size)) {
            ++errors;
            continue;
        }
        memset(zmq_msg_data(&message), 'a', size);
        if (zmq_msg_send(&message, connecters[i], ZMQ_DONTWAIT) < 0)
            zmq_msg_close(&message);
    }
    if (connecters[REQREP] && binders[REQREP] && zmq_send(connecters[REQREP], buffer, size, 0) >= 0
        && zmq_recv(binders[REQREP], buffer, size, 0) >= 0) {
        zmq_send(binders[REQREP], buffer, size, 0);
        zmq_recv(connecters[REQREP], buffer, size, 0);
    }
}

static void receive_all(void)
{
    zmq_pollitem_t items[PAIRS];
    for (int i = 0; i < PAIRS; ++i)
        items[i] = (zmq_pollitem_t) {binders[i], binders[i] ? -1 : 0, binders[i] ? ZMQ_POLLIN : 0, 0};
    count_failure(zmq_poll(items, PAIRS, 20));
    for (int i = 0; i < PAIRS; ++i) {
        for (int taken = 0; binders[i] && taken < 20; ++taken) {
            zmq_msg_t message, copy;
            zmq_msg_init(&message);
            if (zmq_msg_recv(&message, binders[i], taken ? ZMQ_DONTWAIT : 0) < 0) {
                zmq_msg_close(&message);
                break;
            }
            zmq_msg_init(&copy);
            count_failure(zmq_msg_copy(&copy, &message));
            zmq_msg_close(&copy);
            zmq_msg_close(&message);
        }
    }
    char event[300];
    while (monitor && zmq_recv(monitor, event, sizeof event, ZMQ_DONTWAIT) >= 0) {
    }
}

/* What comes and goes beside the sockets that stay. */
static void come_and_go(void)
{
    void *poller = zmq_poller_new();
    if (poller && binders[0])
        count_failure(zmq_poller_add(poller, binders[0], NULL, ZMQ_POLLIN));
    if (poller)
        zmq_poller_destroy(&poller);
    void *other = zmq_ctx_new();
    if (!other)
        return;
    void *push = zmq_socket(other, ZMQ_PUSH);
    if (push) {
        set_int(push, ZMQ_LINGER, 0);
        zmq_connect(push, "tcp://127.0.0.1:9");
        zmq_close(push);
    }
    zmq_ctx_term(other);
}

static int flows(void)
{
    void *push = new_socket(ZMQ_PUSH), *pull = new_socket(ZMQ_PULL);
    set_int(pull, ZMQ_RCVTIMEO, 8000);
    join(push, pull, "tcp://127.0.0.1:*");
    int good = push && pull && zmq_send(push, "q", 1, 0) == 1 && zmq_recv(pull, buffer, 10, 0) == 1;
    if (push)
        zmq_close(push);
    if (pull)
        zmq_close(pull);
    return good;
}

int main(int count, char **words)
{
    static const int sizes[ROUNDS] = {30, 9000, BUFFER, 100};
    int connected = count > 1 && strcmp(words[1], "connected") == 0;
    alarm(SECONDS);
    buffer = calloc(1, BUFFER + 1);
    buffer[0] = 'a';
    if (!connected && fail_allocations)
        fail_allocations(1);
    context = zmq_ctx_new();
    if (!context) {
        printf("no context: %s\n", zmq_strerror(zmq_errno()));
        return 0;
    }
    make_all();
    if (connected) {
        /* A message through each pair: now all are connected. */
        for (int i = 0; i < 3; ++i) {
            send_all(10);
            receive_all();
        }
        if (fail_allocations)
            fail_allocations(1);
    }
    for (int round = 0; round < ROUNDS; ++round) {
        send_all(sizes[round]);
        for (int i = 0; round == ROUNDS - 1 && binders[PUBSUB] && i < 50; ++i) {
            char topic[20];
            int length = snprintf(topic, sizeof topic, "topic%d", i);
            count_failure(zmq_setsockopt(binders[PUBSUB], ZMQ_SUBSCRIBE, topic, length));
        }
        receive_all();
        come_and_go();
    }
    long counted = allocations_counted ? allocations_counted() : 0, failed = allocations_failed ? allocations_failed() : 0;
    if (fail_allocations)
        fail_allocations(0);
    int good = flows();
    for (int i = 0; i < PAIRS; ++i) {
        if (connecters[i])
            zmq_close(connecters[i]);
        if (binders[i])
            zmq_close(binders[i]);
    }
    if (monitor)
        zmq_close(monitor);
    zmq_ctx_term(context);
    printf("allocations %ld failed %ld errors %d flow %d\n", counted, failed, errors, good);
    return good ? 0 : 7;
}
