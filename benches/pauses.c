/* PUSH/PULL without a stop: how long a receiver has to wait from one message to the next, at most and as a rule. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    UPDATE_RECORDS = 1174405217, /* ZMQ_FERRO_QZMQ_UPDATE_RECORDS of zmq_ferro.h, which the other libraries do not have */
    MOST_GAPS = 4000000
};

/* What a cell is about, read before the sides start. */
static size_t size;
static int updates;
static double seconds;

static void read_options(void)
{
    size = (size_t)option_number("size", 1024);
    updates = (int)option_number("updates", 0);
    seconds = option_decimal("seconds", 3);
    option_text("transport", "tcp");
    option_text("security", "null");
    option_text("io_threads", "1");
    option_number("hwm", -1);
}

/* Has keys replaced after this number of records, as often as the library lets it. */
static void *open_with_updates(int type)
{
    void *socket = open_socket(type);
    if (updates > 0)
        set_int(socket, UPDATE_RECORDS, updates);
    return socket;
}

static void sender(void)
{
    void *data = calloc(1, size), *socket = open_with_updates(ZMQ_PUSH);
    check(data != NULL, "calloc");
    await_flag(&shared->bound[0]);
    secure_client(socket);
    connect_there(socket, 0);
    while (!atomic_load_explicit(&shared->stop, memory_order_relaxed))
        check(zmq_send(socket, data, size, 0) >= 0, "zmq_send");
    raise_flag(&shared->finished);
    close_socket(socket);
    free(data);
}

/* The time from each message to the next. Returns how many there are. */
static size_t receive(void *socket, double *gaps)
{
    void *data = malloc(size);
    check(data != NULL, "malloc");
    /* The first thousand are the start of the connection. */
    for (int i = 0; i < 1000; i++)
        check(zmq_recv(socket, data, size, 0) == (int)size, "zmq_recv");
    size_t count = 0;
    double begin = now_s(), before = begin;
    while (count < MOST_GAPS && before - begin < seconds) {
        check(zmq_recv(socket, data, size, 0) == (int)size, "zmq_recv");
        double now = now_s();
        gaps[count++] = now - before;
        before = now;
    }
    /* The sender may wait for room, and finds that it is to stop once there is some. */
    raise_flag(&shared->stop);
    set_int(socket, ZMQ_RCVTIMEO, 20);
    while (!atomic_load(&shared->finished))
        zmq_recv(socket, data, size, 0);
    free(data);
    return count;
}

void pauses(void)
{
    side *others[] = {sender};
    read_options();
    sides_start(1, others);
    double *gaps = calloc(MOST_GAPS, sizeof *gaps);
    check(gaps != NULL, "calloc");
    void *socket = open_with_updates(ZMQ_PULL);
    secure_server(socket);
    bind_here(socket, 0);
    size_t count = receive(socket, gaps);
    close_socket(socket);
    sides_join();
    report_begin();
    /* Puts them in order. */
    report_percentiles_us(gaps, count);
    report("max_us", gaps[count - 1] * 1e6);
    report_end();
    free(gaps);
}
