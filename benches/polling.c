/* zmq_poll over many sockets of which one is ready, and a proxy between two others. */
#include "bench.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static size_t size;
static double seconds;

/* One thread does everything, so that nothing but the call itself is measured. */
void poll_many(void)
{
    int count = (int)option_number("sockets", 100);
    seconds = option_decimal("seconds", 1);
    sides_start(0, NULL);
    zmq_pollitem_t *items = calloc((size_t)count, sizeof *items);
    void *pusher = open_socket(ZMQ_PUSH);
    size_t room = (size_t)(seconds * 3e6) + 1000, taken = 0;
    double *samples = malloc(room * sizeof *samples);
    check(items != NULL && samples != NULL, "malloc");
    for (int i = 0; i < count; i++)
        items[i] = (zmq_pollitem_t){.socket = open_socket(ZMQ_PULL), .events = ZMQ_POLLIN};
    void *ready = items[count / 2].socket;
    check(zmq_bind(ready, "inproc://ready") == 0 && zmq_connect(pusher, "inproc://ready") == 0, "inproc");
    double cpu = cpu_of_this_process_s(), begin = now_s(), end = begin;
    while (taken < room && end - begin < seconds) {
        char byte = 0;
        check(zmq_send(pusher, &byte, 1, 0) == 1, "zmq_send");
        double before = now_s();
        check(zmq_poll(items, count, -1) == 1, "zmq_poll");
        end = now_s();
        samples[taken++] = end - before;
        check(zmq_recv(ready, &byte, 1, 0) == 1, "zmq_recv");
    }
    cpu = cpu_of_this_process_s() - cpu;
    report_begin();
    report("cpu_s_per_million", cpu / (double)taken * 1e6);
    report_percentiles_us(samples, taken);
    report_end();
    close_socket(pusher);
    for (int i = 0; i < count; i++)
        close_socket(items[i].socket);
    context_end();
    free(samples);
    free(items);
}

static void proxy_side(void)
{
    void *front = open_socket(ZMQ_PULL), *back = open_socket(ZMQ_PUSH);
    bind_here(front, 0);
    bind_here(back, 1);
    zmq_proxy(front, back, NULL); /* until the context ends, or this process */
    close_socket(front);
    close_socket(back);
}

static void proxy_sender(void)
{
    char *data = calloc(1, size);
    void *socket = open_socket(ZMQ_PUSH);
    await_flag(&shared->bound[0]);
    connect_there(socket, 0);
    while (zmq_send(socket, data, size, 0) >= 0)
        ;
    close_socket(socket);
    free(data);
}

static long receive_for(void *socket, char *data, double time)
{
    long count = 0;
    for (double begin = now_s(); now_s() - begin < time;)
        for (int i = 0; i < 64; i++, count++)
            check(zmq_recv(socket, data, size, 0) == (int)size, "zmq_recv");
    return count;
}

/* Three sides: one sends, one forwards, this one receives. */
void proxy(void)
{
    side *others[] = {proxy_side, proxy_sender};
    size = (size_t)option_number("size", 64);
    seconds = option_decimal("seconds", 1);
    option_text("transport", "tcp");
    sides_start(2, others);
    char *data = malloc(size);
    void *socket = open_socket(ZMQ_PULL);
    await_flag(&shared->bound[1]);
    connect_there(socket, 1);
    receive_for(socket, data, seconds / 5);
    double cpu = sides_cpu_s(), begin = now_s();
    long count = receive_for(socket, data, seconds);
    double elapsed = now_s() - begin;
    cpu = sides_cpu_s() - cpu;
    close_socket(socket);
    if (sides_are_threads())
        context_end();
    sides_join();
    report_begin();
    report("messages_per_s", (double)count / elapsed);
    report("cpu_s_per_million", cpu / (double)count * 1e6);
    report_end();
    free(data);
}
