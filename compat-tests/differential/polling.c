// Waiting: zmq_poll, timers and proxies.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "interpreter.h"

enum { PATIENCE_MS = 3000, PIPES = 2 };

// Pipes of the system, two descriptors each: f0 is where f1 is read, f2 where f3 is.
static int ends[2 * PIPES];
static int opened;

int descriptor(int index)
{
    const char *word = index < word_count ? words[index] : "-";
    if (*word != 'f')
        return *word == 's' ? -1 : (int) number(index);
    if (!opened) {
        for (int at = 0; at < PIPES; ++at)
            if (pipe2(ends + 2 * at, O_NONBLOCK) != 0)
                exit(3);
        opened = 1;
    }
    int at = slot(index, 2 * PIPES);
    return at < 0 ? -1 : ends[at];
}

void close_descriptors(void)
{
    for (int at = 0; opened && at < 2 * PIPES; ++at)
        close(ends[at]);
    opened = 0;
}

static void call_fd_write(void)
{
    printf(" %d", (int) write(descriptor(1), "bytes", (size_t) number(2) % 6));
}

static void call_fd_read(void)
{
    char data[8];
    printf(" %d", (int) read(descriptor(1), data, sizeof data));
}

static int items_of(zmq_pollitem_t *items)
{
    int count = 0;
    memset(items, 0, SOCKETS * sizeof *items);
    for (int index = 2; index + 1 < word_count && count < SOCKETS; index += 2) {
        items[count].socket = *words[index] == 's' ? sock(index) : NULL;
        items[count].fd = items[count].socket ? -1 : descriptor(index);
        items[count++].events = (short) number(index + 1);
    }
    return count;
}

static void say_polled(int rc, const zmq_pollitem_t *items, int count)
{
    say_rc(rc);
    for (int i = 0; i < count && rc >= 0; ++i)
        printf(" %d", items[i].revents);
}

static void call_poll(void)
{
    zmq_pollitem_t items[SOCKETS];
    int count = items_of(items);
    say_polled(zmq_poll(items, count, number(1)), items, count);
}

#ifdef ZMQ_BUILD_DRAFT_API
// The first number is the timeout; below 1000 there is no mask of signals.
static void call_ppoll(void)
{
    zmq_pollitem_t items[SOCKETS];
    sigset_t mask;
    int count = items_of(items);
    sigemptyset(&mask);
    say_polled(zmq_ppoll(items, count, number(1) % 1000, number(1) < 1000 ? NULL : &mask), items, count);
}
#endif

static void call_poll_null(void)
{
    say_rc(zmq_poll(NULL, (int) number(1), 0));
}

// ---- proxies

static void call_proxy(void)
{
    // Only with a NULL among the two: else it runs for ever.
    say_rc(zmq_proxy(sock(1), NULL, sock(2)));
}

// One proxy between two sockets, with a context of its own.
struct proxy {
    void *context, *front, *back, *capture, *control, *steer, *sender, *receiver, *witness;
    int steered, rc, error;
};

static void *run_proxy(void *argument)
{
    struct proxy *proxy = argument;
    if (proxy->steered)
        proxy->rc = zmq_proxy_steerable(proxy->front, proxy->back, proxy->capture, proxy->control);
    else
        proxy->rc = zmq_proxy(proxy->front, proxy->back, proxy->capture);
    proxy->error = proxy->rc < 0 ? zmq_errno() : 0;
    return NULL;
}

static void *open_socket(struct proxy *proxy, int type, const char *bound, const char *connected)
{
    int patience = PATIENCE_MS, linger = 0;
    void *socket = zmq_socket(proxy->context, type);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &patience, sizeof patience);
    zmq_setsockopt(socket, ZMQ_SNDTIMEO, &patience, sizeof patience);
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    if (type == ZMQ_SUB)
        zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0);
    if (bound)
        zmq_bind(socket, bound);
    if (connected)
        zmq_connect(socket, connected);
    return socket;
}

// All frames of a message: their sizes and sum.
static void say_message(void *socket)
{
    char data[4096];
    int more = 1;
    while (more) {
        size_t size = sizeof more;
        int rc = zmq_recv(socket, data, sizeof data, 0);
        say_rc(rc);
        if (rc < 0 || zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) != 0)
            break;
        // An identity is drawn at random.
        if (rc != 5)
            say_bytes(data, (size_t) rc < sizeof data ? (size_t) rc : sizeof data);
    }
}

static void send_through(struct proxy *proxy, int type, size_t size)
{
    char data[4096];
    size = size < sizeof data ? size : sizeof data;
    memset(data, 'p', size);
    say_rc(zmq_send(proxy->sender, data, size, 0));
    say_message(proxy->receiver);
    if (type == ZMQ_REQ) {
        say_rc(zmq_send(proxy->receiver, data, size / 2, 0));
        say_message(proxy->sender);
    }
    if (proxy->witness) {
        say_message(proxy->witness);
        if (type == ZMQ_REQ)
            say_message(proxy->witness);
    }
}

// A proxy from its start to its end: kind, whether captured, whether steered (2: without a socket for it), sizes of
// messages that go through it; -1 asks for statistics.
static void call_proxy_life(void)
{
    static const int types[3][4] = {{ZMQ_REQ, ZMQ_ROUTER, ZMQ_DEALER, ZMQ_REP},
        {ZMQ_PUSH, ZMQ_PULL, ZMQ_PUSH, ZMQ_PULL}, {ZMQ_XPUB, ZMQ_XSUB, ZMQ_XPUB, ZMQ_SUB}};
    const int *type = types[number(1) % 3];
    struct proxy proxy = {.context = zmq_ctx_new(), .steered = (int) number(3)};
    pthread_t thread;
    proxy.front = open_socket(&proxy, type[1], "inproc://front", NULL);
    proxy.back = open_socket(&proxy, type[2], "inproc://back", NULL);
    proxy.sender = open_socket(&proxy, type[0], NULL, "inproc://front");
    proxy.receiver = open_socket(&proxy, type[3], NULL, "inproc://back");
    if (number(2)) {
        proxy.capture = open_socket(&proxy, ZMQ_PAIR, "inproc://capture", NULL);
        proxy.witness = open_socket(&proxy, ZMQ_PAIR, NULL, "inproc://capture");
    }
    if (proxy.steered == 1) {
        proxy.control = open_socket(&proxy, ZMQ_REP, "inproc://control", NULL);
        proxy.steer = open_socket(&proxy, ZMQ_REQ, NULL, "inproc://control");
    }
    pthread_create(&thread, NULL, run_proxy, &proxy);
    if (type[0] == ZMQ_XPUB) {
        say_message(proxy.sender);
        if (proxy.witness)
            say_message(proxy.witness);
    }
    for (int index = 4; index < word_count; ++index)
        if (number(index) >= 0)
            send_through(&proxy, type[0], (size_t) number(index));
        else if (proxy.steer) {
            say_rc(zmq_send(proxy.steer, "STATISTICS", 10, 0));
            say_message(proxy.steer);
        }
    if (proxy.steer) {
        say_rc(zmq_send(proxy.steer, "TERMINATE", 9, 0));
        say_message(proxy.steer);
    } else
        zmq_ctx_shutdown(proxy.context);
    pthread_join(thread, NULL);
    printf(" ended %d %d", proxy.rc, proxy.error);
    void *all[] = {proxy.front, proxy.back, proxy.sender, proxy.receiver, proxy.capture, proxy.witness, proxy.control,
        proxy.steer};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i)
        if (all[i])
            zmq_close(all[i]);
    zmq_ctx_term(proxy.context);
}

// ---- timers

struct life {
    void *timers;
    int fired, last;
};

static void timer_fired(int id, void *argument)
{
    struct life *life = argument;
    ++life->fired;
    life->last = id;
}

// A timer that ends itself.
static void timer_once(int id, void *argument)
{
    struct life *life = argument;
    timer_fired(id, argument);
    printf(" once");
    say_rc(zmq_timers_cancel(life->timers, id));
}

// A life of timers in one call: operation, number of the timer and interval, three words each.
static void call_timers(void)
{
    int ids[16], count = 0;
    struct life life = {.timers = zmq_timers_new()};
    for (int index = 1; index + 2 < word_count; index += 3) {
        int at = (int) number(index + 1), id = at < count ? ids[at] : 1000 + at;
        size_t interval = (size_t) number(index + 2);
        switch (words[index][0]) {
            case 'a':
            case 'o':
                ids[count] = zmq_timers_add(
                    life.timers, interval, words[index][0] == 'a' ? timer_fired : timer_once, &life);
                printf(" %d", ids[count++]);
                break;
            case 'c': say_rc(zmq_timers_cancel(life.timers, id)); break;
            case 'i': say_rc(zmq_timers_set_interval(life.timers, id, interval)); break;
            case 'r': say_rc(zmq_timers_reset(life.timers, id)); break;
            case 'e':
                say_rc(zmq_timers_execute(life.timers));
                printf(" (%d %d)", life.fired, life.last);
                break;
            case 's': usleep(1000 * (useconds_t) interval); break;
            // To a tenth of a minute: time passes.
            case 't': printf(" ~%ld", (zmq_timers_timeout(life.timers) + 3000) / 6000); break;
        }
    }
    printf(" %d", life.fired);
    say_rc(zmq_timers_destroy(&life.timers));
}

static void call_timers_null(void)
{
    void *none = NULL;
    say_rc(zmq_timers_destroy(&none));
    say_rc(zmq_timers_cancel(NULL, 1));
    say_rc(zmq_timers_execute(NULL));
    say_rc(zmq_timers_timeout(NULL));
    say_rc(zmq_timers_reset(NULL, 1));
    say_rc(zmq_timers_set_interval(NULL, 1, 1));
    say_rc(zmq_timers_add(NULL, 1, timer_fired, NULL));
}

const struct call polling_calls[] = {
    {"fd_write", call_fd_write, 0},
    {"fd_read", call_fd_read, 0},
    {"poll", call_poll, 0},
#ifdef ZMQ_BUILD_DRAFT_API
    {"ppoll", call_ppoll, 0},
#endif
    {"poll_null", call_poll_null, 0},
    {"proxy", call_proxy, 0},
    {"proxy_life", call_proxy_life, 0},
    {"timers", call_timers, 0},
    {"timers_null", call_timers_null, 0},
    {NULL, NULL, 0},
};
