/* PUSH/PULL: how many messages a second come through, and what each costs. Also a bare socket for comparison. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a cell is about, read before the sides start. */
static size_t size;
static int parts;
static bool by_msg;
static double seconds;
static long most;

static void read_options(void)
{
    size = (size_t)option_number("size", 64);
    parts = (int)option_number("parts", 1);
    by_msg = option_is("api", "msg", "copy");
    seconds = option_decimal("seconds", 1);
    /* Nothing holds the sender back without a high-water mark: there is an end to what it sends. */
    most = option_number("hwm", 1000) == 0 ? (long)(2000000 * seconds) + 10000 : -1;
    option_text("transport", "tcp");
    option_text("security", "null");
    option_text("io_threads", "1");
}

static void *buffer_of(size_t bytes)
{
    void *buffer = malloc(bytes ? bytes : 1);
    check(buffer != NULL, "malloc");
    memset(buffer, 'x', bytes);
    return buffer;
}

static void send_copy(void *socket, const void *data)
{
    for (int part = 1; part <= parts; part++)
        check(zmq_send(socket, data, size, part < parts ? ZMQ_SNDMORE : 0) >= 0, "zmq_send");
}

static void send_msg(void *socket, const void *data)
{
    for (int part = 1; part <= parts; part++) {
        zmq_msg_t message;
        check(zmq_msg_init_size(&message, size) == 0, "zmq_msg_init_size");
        memcpy(zmq_msg_data(&message), data, size);
        check(zmq_msg_send(&message, socket, part < parts ? ZMQ_SNDMORE : 0) >= 0, "zmq_msg_send");
    }
}

/* A message with all its parts; false if none came in time (only while draining). */
static bool recv_copy(void *socket, void *data)
{
    int more = 0;
    do {
        size_t more_size = sizeof more;
        int got = zmq_recv(socket, data, size, 0);
        if (got < 0 && errno == EAGAIN)
            return false;
        check(got == (int)size, "zmq_recv");
        if (parts > 1)
            check(zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &more_size) == 0, "ZMQ_RCVMORE");
    } while (more);
    return true;
}

static bool recv_msg(void *socket, void *data)
{
    (void)data;
    int more;
    do {
        zmq_msg_t message;
        zmq_msg_init(&message);
        int got = zmq_msg_recv(&message, socket, 0);
        if (got < 0 && errno == EAGAIN)
            return false;
        check(got == (int)size, "zmq_msg_recv");
        more = zmq_msg_more(&message);
        zmq_msg_close(&message);
    } while (more);
    return true;
}

static void sender(void)
{
    void *data = buffer_of(size), *socket = open_socket(ZMQ_PUSH);
    await_flag(&shared->bound[0]);
    secure_client(socket);
    connect_there(socket, 0);
    for (long sent = 0; !atomic_load_explicit(&shared->stop, memory_order_relaxed) && sent != most; sent++)
        if (by_msg)
            send_msg(socket, data);
        else
            send_copy(socket, data);
    raise_flag(&shared->finished);
    await_flag(&shared->stop);
    close_socket(socket);
    free(data);
}

static void receive(void *socket, void *data, long count)
{
    if (by_msg)
        for (long i = 0; i < count; i++)
            recv_msg(socket, data);
    else
        for (long i = 0; i < count; i++)
            recv_copy(socket, data);
}

/* Warms up for a fifth of the time, or of the messages where these have an end, and says how many messages the rest will
   hold. */
static long warm_up(void *socket, void *data)
{
    receive(socket, data, 1);
    double begin = now_s(), passed;
    long count = 0, batch = 1;
    do {
        receive(socket, data, batch);
        count += batch;
        passed = now_s() - begin;
        if (passed < seconds / 50 && batch < 1000)
            batch *= 2;
    } while (passed < seconds / 5 && (most < 0 || count < most / 5));
    long wanted = (long)((double)count / passed * seconds) + 1;
    return most >= 0 && wanted > most - count - 1 ? most - count - 1 : wanted;
}

/* The sender goes on until it is told to stop, so that the middle is measured: neither the start nor the end. */
static void stop_sender(void *socket, void *data)
{
    raise_flag(&shared->stop);
    set_int(socket, ZMQ_RCVTIMEO, 20);
    while (!atomic_load(&shared->finished))
        if (by_msg)
            recv_msg(socket, data);
        else
            recv_copy(socket, data);
}

static void report_rates(long count, double elapsed, double cpu)
{
    report_begin();
    report("messages_per_s", (double)count / elapsed);
    report("mib_per_s", (double)count * (double)size * parts / elapsed / 1048576);
    report("cpu_s_per_million", cpu / (double)count * 1e6);
    report("messages", (double)count);
    report("seconds", elapsed);
    report_end();
}

void throughput(void)
{
    side *others[] = {sender};
    read_options();
    sides_start(1, others);
    void *data = buffer_of(size), *socket = open_socket(ZMQ_PULL);
    secure_server(socket);
    bind_here(socket, 0);
    long count = warm_up(socket, data);
    check(count > 0, "too few messages to measure");
    double cpu = sides_cpu_s(), begin = now_s(), elapsed;
    long received = 0;
    do {
        receive(socket, data, count);
        received += count;
        elapsed = now_s() - begin;
    } while (elapsed < seconds / 2 && most < 0); /* a warm-up that was disturbed said too few */
    cpu = sides_cpu_s() - cpu;
    stop_sender(socket, data);
    close_socket(socket);
    sides_join();
    report_rates(received, elapsed, cpu);
    free(data);
}

static void raw_sender(void)
{
    char *data = buffer_of(size);
    int stream = stream_connect();
    while (!atomic_load_explicit(&shared->stop, memory_order_relaxed))
        stream_write(stream, data, size);
    raise_flag(&shared->finished);
    pause();
}

static void raw_receive(int stream, void *data, long count)
{
    for (long i = 0; i < count; i++)
        stream_read(stream, data, size);
}

/* The same bytes through a blocking socket: what the kernel alone takes for them. */
void raw_copy(void)
{
    side *others[] = {raw_sender};
    read_options();
    sides_start(1, others);
    char *data = buffer_of(size);
    int listener = stream_listen(), stream = stream_accept(listener);
    double begin = now_s();
    long count = 0;
    for (; now_s() - begin < seconds / 5; count++)
        raw_receive(stream, data, 1);
    count = (long)((double)count / (seconds / 5) * seconds) + 1;
    double cpu = sides_cpu_s(), elapsed;
    long received = 0;
    begin = now_s();
    do {
        raw_receive(stream, data, count);
        received += count;
        elapsed = now_s() - begin;
    } while (elapsed < seconds / 2);
    cpu = sides_cpu_s() - cpu;
    sides_join();
    report_rates(received, elapsed, cpu);
    free(data);
}
