/* What things weigh that do nothing. */
#include "bench.h"

#include <stdlib.h>

enum { WARM = 16 };

/* Memory and descriptors of sockets that were opened and left alone. */
void idle_sockets(void)
{
    long count = option_number("sockets", 2000);
    sides_start(0, NULL);
    void **sockets = calloc((size_t)count + WARM, sizeof *sockets);
    check(sockets != NULL, "malloc");
    for (long i = 0; i < count + WARM; i++)
        sockets[i] = NULL; /* touched, so that it is not counted below */
    /* The first ones pay for what all share. */
    for (long i = 0; i < WARM; i++)
        sockets[i] = open_socket(ZMQ_DEALER);
    long memory = anonymous_memory_bytes(), descriptors = open_descriptors();
    for (long i = WARM; i < count + WARM; i++)
        sockets[i] = open_socket(ZMQ_DEALER);
    memory = anonymous_memory_bytes() - memory;
    descriptors = open_descriptors() - descriptors;
    report_begin();
    report("bytes_per_socket", (double)memory / (double)count);
    report("descriptors_per_socket", (double)descriptors / (double)count);
    report_end();
    for (long i = 0; i < count + WARM; i++)
        close_socket(sockets[i]);
    free(sockets);
    context_end();
}

static long connections;

/* One message for each connection: when all have come, each has been used. */
static void send_to_each(void *socket, long count)
{
    for (long i = 0; i < count; i++)
        connect_there(socket, 0);
    for (long i = 0; i < count; i++)
        check(zmq_send(socket, "hello", 5, 0) == 5, "zmq_send");
}

/* The connecting end: its memory goes to figures[0], its descriptors to figures[1]. */
static void connecter(void)
{
    void *socket = open_socket(ZMQ_PUSH);
    await_flag(&shared->bound[0]);
    send_to_each(socket, WARM);
    await_flag(&shared->ready);
    long memory = anonymous_memory_bytes(), descriptors = open_descriptors();
    send_to_each(socket, connections);
    await_flag(&shared->stop);
    shared->figures[0] = (double)(anonymous_memory_bytes() - memory);
    shared->figures[1] = (double)(open_descriptors() - descriptors);
    raise_flag(&shared->finished);
    await_flag(&shared->bound[1]);
}

static void receive(void *socket, long count)
{
    char buffer[16];
    for (long i = 0; i < count; i++)
        check(zmq_recv(socket, buffer, sizeof buffer, 0) == 5, "zmq_recv");
}

/* Memory of connections at both ends, once each was used and all is quiet. */
void idle_connections(void)
{
    side *others[] = {connecter};
    connections = option_number("connections", 1000);
    option_text("transport", "tcp");
    check(!sides_are_threads(), "transport=tcp|ipc");
    sides_start(1, others);
    void *socket = open_socket(ZMQ_PULL);
    bind_here(socket, 0);
    receive(socket, WARM);
    long memory = anonymous_memory_bytes(), descriptors = open_descriptors();
    raise_flag(&shared->ready);
    receive(socket, connections);
    memory = anonymous_memory_bytes() - memory;
    descriptors = open_descriptors() - descriptors;
    raise_flag(&shared->stop);
    await_flag(&shared->finished);
    double count = (double)connections;
    report_begin();
    report("bound_bytes_per_connection", (double)memory / count);
    report("bound_descriptors_per_connection", (double)descriptors / count);
    report("connecting_bytes_per_connection", shared->figures[0] / count);
    report("connecting_descriptors_per_connection", shared->figures[1] / count);
    report_end();
    close_socket(socket);
    sides_join();
}
