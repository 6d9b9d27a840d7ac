/* REQ/REP: how long a question takes to come back. Also over bare sockets, which nothing can beat. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LAST = 1 }; /* bytes of the question that ends it all; others have `size` */

static size_t size;
static long idle_ms;
static double seconds;

static void read_options(void)
{
    size = (size_t)option_number("size", 64);
    idle_ms = option_number("idle_ms", 0);
    seconds = option_decimal("seconds", 1);
    option_text("transport", "tcp");
    option_text("security", "null");
    option_text("wait", "recv");
}

static char *buffer_of(size_t bytes)
{
    char *buffer = calloc(1, bytes);
    check(buffer != NULL && bytes > LAST, "malloc");
    return buffer;
}

/* Repeats `ask` and reports the distribution of its times. A hot run asks again at once; the other one lets
   both sides fall asleep first. */
static void measure(void (*ask)(void *with, char *buffer), void *with)
{
    struct timespec idle = {.tv_nsec = idle_ms * 1000000};
    char *buffer = buffer_of(size);
    size_t room = idle_ms ? (size_t)(seconds * 1000 / (double)idle_ms) + 2 : (size_t)(seconds * 3e6) + 1000, count = 0;
    double *samples = malloc(room * sizeof *samples);
    check(samples != NULL, "malloc");
    memset(samples, 0, room * sizeof *samples);
    double begin = now_s();
    for (int i = 0; i < 5 || (idle_ms == 0 && now_s() - begin < seconds / 5); i++)
        ask(with, buffer);
    double cpu = sides_cpu_s();
    begin = now_s();
    for (double now = begin; count < room && now - begin < seconds;) {
        if (idle_ms)
            nanosleep(&idle, NULL);
        double asked = now_s();
        ask(with, buffer);
        now = now_s();
        samples[count++] = now - asked;
    }
    double elapsed = now_s() - begin;
    cpu = sides_cpu_s() - cpu;
    report_begin();
    report("round_trips_per_s", (double)count / elapsed);
    report("cpu_s_per_million", cpu / (double)count * 1e6);
    report_percentiles_us(samples, count);
    report_end();
    free(samples);
    free(buffer);
}

static void server(void)
{
    char *buffer = buffer_of(size);
    void *socket = open_socket(ZMQ_REP);
    secure_server(socket);
    bind_here(socket, 0);
    struct waiter waiter = waiter_for(socket);
    int got;
    do {
        got = waiter_recv(&waiter, buffer, size);
        check(zmq_send(socket, buffer, (size_t)got, 0) >= 0, "zmq_send");
    } while (got != LAST);
    waiter_end(&waiter);
    await_flag(&shared->stop);
    close_socket(socket);
    free(buffer);
}

static void ask(void *waiter, char *buffer)
{
    struct waiter *client = waiter;
    check(zmq_send(client->socket, buffer, size, 0) == (int)size, "zmq_send");
    check(waiter_recv(client, buffer, size) == (int)size, "a reply of another size");
}

void round_trip(void)
{
    side *others[] = {server};
    char last[LAST] = {0};
    read_options();
    sides_start(1, others);
    void *socket = open_socket(ZMQ_REQ);
    await_flag(&shared->bound[0]);
    secure_client(socket);
    connect_there(socket, 0);
    struct waiter waiter = waiter_for(socket);
    measure(ask, &waiter);
    check(zmq_send(socket, last, LAST, 0) == LAST, "zmq_send");
    waiter_recv(&waiter, last, LAST);
    raise_flag(&shared->stop);
    waiter_end(&waiter);
    close_socket(socket);
    sides_join();
}

static void raw_server(void)
{
    char *buffer = buffer_of(size);
    int stream = stream_accept(stream_listen());
    for (;;) {
        stream_read(stream, buffer, size);
        stream_write(stream, buffer, size);
    }
}

static void raw_ask(void *stream, char *buffer)
{
    stream_write(*(int *)stream, buffer, size);
    stream_read(*(int *)stream, buffer, size);
}

void raw_round_trip(void)
{
    side *others[] = {raw_server};
    read_options();
    sides_start(1, others);
    int stream = stream_connect();
    measure(raw_ask, &stream);
    sides_join();
}
