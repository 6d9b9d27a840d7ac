/* The smallest correct program, for valgrind: whatever it has opened it closes, and then nothing of the library's is left. */
#include "../draft/check.h"

static void on_time(int id, void *count)
{
    (void) id;
    ++*(int *) count;
}

static void keep_time(void)
{
    int count = 0;
    void *timers = zmq_timers_new();
    CHECK(zmq_timers_add(timers, 0, on_time, &count) > 0);
    CHECK(zmq_timers_execute(timers) == 0 && count == 1);
    CHECK(zmq_timers_destroy(&timers) == 0);
}

int main(int count, char **words)
{
    static char buffer[300000];
    CHECK(count == 2);
    const char *kind = words[1];
    size_t size = strcmp(kind, "large") ? 10 : sizeof buffer;
    void *context = zmq_ctx_new();
    void *one = new_socket(context, ZMQ_PAIR), *other = new_socket(context, ZMQ_PAIR);
    CHECK(zmq_connect(other, bound(one, strcmp(kind, "inproc") ? "tcp://127.0.0.1:*" : "inproc://one")) == 0);
    for (int round = 0; round < 20; round++) {
        CHECK(zmq_send(one, buffer, size, 0) == (int) size);
        CHECK(zmq_recv(other, buffer, sizeof buffer, 0) == (int) size);
    }
    if (!strcmp(kind, "timers"))
        keep_time();
    CHECK(zmq_close(one) == 0 && zmq_close(other) == 0);
    CHECK(zmq_ctx_term(context) == 0);
    return 0;
}
