/* PUB to many SUBs, and what very many topics cost. */
#include "bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_SUBSCRIBERS = 1024, TOPIC = 30, MOST_IN_A_ROW = 64, CHOSEN = 16384 };

static size_t size;
static int subscriber_count, nodrop;
static long topic_count;
static double seconds;
static char chosen[CHOSEN][TOPIC + 1];

static void read_options(void)
{
    size = (size_t)option_number("size", 64);
    subscriber_count = (int)option_number("subscribers", 1);
    nodrop = (int)option_number("nodrop", 1);
    seconds = option_decimal("seconds", 1);
    topic_count = option_number("topics", 100000);
    option_text("transport", "tcp");
    check(subscriber_count <= MOST_SUBSCRIBERS, "so many subscribers");
}

static void nap(void)
{
    struct timespec time = {.tv_nsec = 200 * 1000};
    nanosleep(&time, NULL);
}

/* Probes until every subscriber has seen one, then floods. */
static void publisher(void)
{
    char *data = calloc(1, size);
    void *socket = open_socket(ZMQ_PUB);
    set_int(socket, ZMQ_XPUB_NODROP, nodrop);
    bind_here(socket, 0);
    while (!atomic_load(&shared->ready)) {
        zmq_send(socket, data, size, ZMQ_DONTWAIT);
        nap();
    }
    long sent = 0;
    while (!atomic_load_explicit(&shared->stop, memory_order_relaxed)) {
        check(zmq_send(socket, data, size, 0) >= 0, "zmq_send");
        atomic_store_explicit(&shared->counter, ++sent, memory_order_relaxed);
    }
    raise_flag(&shared->finished);
    close_socket(socket);
    free(data);
}

/* What lies ready on all of them, some from each at a time; waits where there is nothing. */
static long sweep(void **sockets, zmq_pollitem_t *items, char *buffer, bool *seen)
{
    long got = 0;
    for (int i = 0; i < subscriber_count; i++)
        for (int row = 0; row < MOST_IN_A_ROW; row++, got++) {
            int length = zmq_recv(sockets[i], buffer, size, ZMQ_DONTWAIT);
            if (length < 0) {
                check(errno == EAGAIN, "zmq_recv");
                break;
            }
            check(length == (int)size, "another size");
            seen[i] = true;
        }
    if (got == 0)
        check(zmq_poll(items, subscriber_count, 10) >= 0, "zmq_poll");
    return got;
}

static void open_subscribers(void **sockets, zmq_pollitem_t *items)
{
    for (int i = 0; i < subscriber_count; i++) {
        sockets[i] = open_socket(ZMQ_SUB);
        check(zmq_setsockopt(sockets[i], ZMQ_SUBSCRIBE, "", 0) == 0, "ZMQ_SUBSCRIBE");
        connect_there(sockets[i], 0);
        items[i] = (zmq_pollitem_t){.socket = sockets[i], .events = ZMQ_POLLIN};
    }
}

static bool all(const bool *seen)
{
    for (int i = 0; i < subscriber_count; i++)
        if (!seen[i])
            return false;
    return true;
}

void publish(void)
{
    static void *sockets[MOST_SUBSCRIBERS];
    static zmq_pollitem_t items[MOST_SUBSCRIBERS];
    static bool seen[MOST_SUBSCRIBERS];
    side *others[] = {publisher};
    read_options();
    sides_start(1, others);
    char *buffer = calloc(1, size);
    await_flag(&shared->bound[0]);
    open_subscribers(sockets, items);
    while (!all(seen))
        sweep(sockets, items, buffer, seen);
    raise_flag(&shared->ready);
    double begin = now_s();
    while (now_s() - begin < seconds / 5)
        sweep(sockets, items, buffer, seen);
    long delivered = 0, sent = atomic_load(&shared->counter);
    double cpu = sides_cpu_s(), elapsed;
    begin = now_s();
    do {
        delivered += sweep(sockets, items, buffer, seen);
        elapsed = now_s() - begin;
    } while (elapsed < seconds);
    cpu = sides_cpu_s() - cpu;
    sent = atomic_load(&shared->counter) - sent;
    raise_flag(&shared->stop);
    while (!atomic_load(&shared->finished))
        sweep(sockets, items, buffer, seen);
    for (int i = 0; i < subscriber_count; i++)
        close_socket(sockets[i]);
    sides_join();
    report_begin();
    report("messages_per_s", (double)delivered / elapsed);
    report("sent_per_s", (double)sent / elapsed);
    report("cpu_s_per_million", cpu / (double)delivered * 1e6);
    report_end();
    free(buffer);
}

/* Topics of 30 characters that part anywhere: a number that is scrambled, then the number itself. */
static void topic_of(long number, char topic[TOPIC + 1])
{
    uint64_t place = (uint64_t)number % UINT64_C(10000000000000);
    uint64_t scrambled = (place + 1) * UINT64_C(0x9e3779b97f4a7c15);
    snprintf(topic, TOPIC + 1, "%016" PRIx64 "-%013" PRIu64, scrambled, place);
}

/* Topics to publish, from all over. Those that nobody wants part from the others in their last letter alone. */
static void choose_topics(bool unwanted)
{
    for (long i = 0; i < CHOSEN; i++) {
        topic_of(i * 7919 % topic_count, chosen[i]);
        if (unwanted)
            chosen[i][TOPIC - 1] = 'x';
    }
}

/* What matching alone costs: messages that nobody gets. */
static double unmatched_per_s(void *socket)
{
    choose_topics(true);
    long sent = 0;
    double begin = now_s(), elapsed;
    do {
        for (int i = 0; i < 100; i++, sent++)
            check(zmq_send(socket, chosen[sent % CHOSEN], TOPIC, 0) >= 0, "zmq_send");
        elapsed = now_s() - begin;
    } while (elapsed < seconds / 2);
    return (double)sent / elapsed;
}

/* Publishes the last topic until it comes through, and then others as fast as it can. */
static void topic_publisher(void)
{
    char topic[TOPIC + 1];
    void *socket = open_socket(ZMQ_PUB);
    set_int(socket, ZMQ_XPUB_NODROP, 1);
    set_int(socket, ZMQ_RCVHWM, 0);
    bind_here(socket, 0);
    /* Until the connection stands, so that nothing but subscriptions is counted. */
    while (!atomic_load(&shared->ready)) {
        zmq_send(socket, "probe", 5, ZMQ_DONTWAIT);
        nap();
    }
    long before = anonymous_memory_bytes();
    raise_flag(&shared->bound[1]);
    topic_of(topic_count - 1, topic);
    while (!atomic_load(&shared->counter)) {
        zmq_send(socket, topic, TOPIC, ZMQ_DONTWAIT);
        nap();
    }
    shared->figures[0] = (double)(anonymous_memory_bytes() - before);
    shared->figures[1] = unmatched_per_s(socket);
    raise_flag(&shared->finished);
    choose_topics(false);
    for (long sent = 0; !atomic_load_explicit(&shared->stop, memory_order_relaxed); sent++)
        zmq_send(socket, chosen[sent % CHOSEN], TOPIC, 0);
    close_socket(socket);
}

static long receive_for(void *socket, double time)
{
    char buffer[TOPIC];
    long count = 0;
    for (double begin = now_s(); now_s() - begin < time;)
        for (int i = 0; i < 100; i++, count++)
            check(zmq_recv(socket, buffer, sizeof buffer, 0) == TOPIC, "zmq_recv");
    return count;
}

void topics(void)
{
    side *others[] = {topic_publisher};
    char topic[TOPIC + 1], buffer[TOPIC];
    read_options();
    sides_start(1, others);
    await_flag(&shared->bound[0]);
    void *socket = open_socket(ZMQ_SUB);
    /* The original drops subscriptions beyond the high-water mark. */
    set_int(socket, ZMQ_SNDHWM, 0);
    check(zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "probe", 5) == 0, "ZMQ_SUBSCRIBE");
    connect_there(socket, 0);
    check(zmq_recv(socket, buffer, sizeof buffer, 0) >= 0, "zmq_recv");
    raise_flag(&shared->ready);
    await_flag(&shared->bound[1]);
    long before = anonymous_memory_bytes();
    double begin = now_s(), set = 0, effective = 0;
    for (long i = 0; i < topic_count; i++) {
        topic_of(i, topic);
        check(zmq_setsockopt(socket, ZMQ_SUBSCRIBE, topic, TOPIC) == 0, "ZMQ_SUBSCRIBE");
    }
    set = now_s() - begin;
    do
        check(zmq_recv(socket, buffer, sizeof buffer, 0) >= 0, "zmq_recv");
    while (memcmp(buffer, topic, TOPIC) != 0);
    effective = now_s() - begin;
    atomic_store(&shared->counter, 1);
    double here = (double)(anonymous_memory_bytes() - before);
    await_flag(&shared->finished);
    receive_for(socket, seconds / 10);
    double cpu = sides_cpu_s();
    begin = now_s();
    long matched = receive_for(socket, seconds / 2);
    double elapsed = now_s() - begin;
    cpu = sides_cpu_s() - cpu;
    raise_flag(&shared->stop);
    close_socket(socket);
    sides_join();
    report_begin();
    report("subscribe_s", effective);
    report("setsockopt_s", set);
    report("publisher_bytes_per_topic", shared->figures[0] / (double)topic_count);
    report("subscriber_bytes_per_topic", here / (double)topic_count);
    report("unmatched_per_s", shared->figures[1]);
    report("messages_per_s", (double)matched / elapsed);
    report("cpu_s_per_million", cpu / (double)matched * 1e6);
    report_end();
}
