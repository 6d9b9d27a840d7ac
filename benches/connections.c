/* Many connections to one socket, and how fast connections come to be. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { MOST_IN_A_ROW = 32, MOST_AT_ONCE = 256 };

static size_t size;
static long connections, batch;
static double seconds;

static void read_options(void)
{
    size = (size_t)option_number("size", 64);
    connections = option_number("connections", 16);
    batch = option_number("batch", 1);
    seconds = option_decimal("seconds", 1);
    option_text("transport", "tcp");
    option_text("security", "null");
    option_text("io_threads", "1");
    check(size >= sizeof(uint32_t) && connections <= PEERS_COUNTED && batch <= MOST_AT_ONCE, "out of range");
    /* Every socket of the original takes two descriptors. */
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* Each peer keeps its pipe full; where all are full it waits for one of them, by turns. */
static void flood(void **sockets, char *data)
{
    for (long turn = 0;; turn++) {
        long sent = 0;
        for (uint32_t peer = 0; peer < connections; peer++) {
            memcpy(data, &peer, sizeof peer);
            for (int row = 0; row < MOST_IN_A_ROW && zmq_send(sockets[peer], data, size, ZMQ_DONTWAIT) >= 0; row++)
                sent++;
            if (atomic_load_explicit(&shared->stop, memory_order_relaxed))
                return;
        }
        if (sent == 0) {
            zmq_pollitem_t item = {.socket = sockets[turn % connections], .events = ZMQ_POLLOUT};
            check(zmq_poll(&item, 1, 10) >= 0, "zmq_poll");
        }
    }
}

static void flooders(void)
{
    char *data = calloc(1, size);
    void **sockets = calloc((size_t)connections, sizeof *sockets);
    await_flag(&shared->bound[0]);
    for (long i = 0; i < connections; i++) {
        sockets[i] = open_socket(ZMQ_PUSH);
        connect_there(sockets[i], 0);
    }
    flood(sockets, data);
    raise_flag(&shared->finished);
    for (long i = 0; i < connections; i++)
        close_socket(sockets[i]);
    free(sockets);
    free(data);
}

/* Takes messages until the time is over or, without one, until each peer was heard. */
static long listen_to_all(void *socket, long *heard, double time)
{
    char *data = malloc(size);
    uint32_t peer;
    long count = 0, peers = 0;
    double begin = now_s();
    while (time > 0 ? (count & 255) != 0 || now_s() - begin < time : peers < connections) {
        check(zmq_recv(socket, data, size, 0) == (int)size, "zmq_recv");
        memcpy(&peer, data, sizeof peer);
        check(peer < connections, "a message of nobody");
        peers += heard[peer]++ == 0;
        count++;
    }
    free(data);
    return count;
}

/* PUSH sockets in one process, one PULL in the other. */
void fan_in(void)
{
    side *others[] = {flooders};
    read_options();
    long *heard = calloc((size_t)connections, sizeof *heard), least = -1;
    sides_start(1, others);
    void *socket = open_socket(ZMQ_PULL);
    double begin = now_s();
    bind_here(socket, 0);
    listen_to_all(socket, heard, 0);
    double all_there = now_s() - begin;
    listen_to_all(socket, heard, seconds / 5);
    memset(heard, 0, (size_t)connections * sizeof *heard);
    double cpu = sides_cpu_s();
    begin = now_s();
    long count = listen_to_all(socket, heard, seconds);
    double elapsed = now_s() - begin;
    cpu = sides_cpu_s() - cpu;
    raise_flag(&shared->stop);
    for (long i = 0; i < connections; i++)
        if (least < 0 || heard[i] < least)
            least = heard[i];
    close_socket(socket);
    sides_join();
    report_begin();
    report("messages_per_s", (double)count / elapsed);
    report("cpu_s_per_million", cpu / (double)count * 1e6);
    report("fairness", (double)least / ((double)count / (double)connections));
    report("until_all_heard_s", all_there);
    report_end();
    free(heard);
}

static void answer(void)
{
    char buffer[16];
    void *socket = open_socket(ZMQ_REP);
    secure_server(socket);
    bind_here(socket, 0);
    for (int got; (got = zmq_recv(socket, buffer, sizeof buffer, 0)) >= 0;)
        check(zmq_send(socket, buffer, (size_t)got, 0) >= 0, "zmq_send");
}

/* `batch` connections at once, each with its handshake, one question and one answer. */
static void connect_and_ask(void)
{
    void *sockets[MOST_AT_ONCE];
    char reply[16];
    for (long i = 0; i < batch; i++) {
        sockets[i] = open_socket(ZMQ_REQ);
        secure_client(sockets[i]);
        connect_there(sockets[i], 0);
        check(zmq_send(sockets[i], "hello", 5, 0) == 5, "zmq_send");
    }
    for (long i = 0; i < batch; i++) {
        check(zmq_recv(sockets[i], reply, sizeof reply, 0) == 5, "zmq_recv");
        close_socket(sockets[i]);
    }
}

void set_up(void)
{
    side *others[] = {answer};
    read_options();
    check(!sides_are_threads(), "transport=tcp|ipc");
    sides_start(1, others);
    await_flag(&shared->bound[0]);
    connect_and_ask();
    long made = 0;
    double cpu = sides_cpu_s(), begin = now_s(), elapsed;
    do {
        connect_and_ask();
        made += batch;
        elapsed = now_s() - begin;
    } while (elapsed < seconds);
    cpu = sides_cpu_s() - cpu;
    sides_join();
    report_begin();
    report("connections_per_s", (double)made / elapsed);
    report("cpu_s_per_million", cpu / (double)made * 1e6);
    report_end();
}
