/* A C program with another Rust library in it, which has its own copy of Rust's standard library. */
#include <zmq.h>

unsigned other_contains_panics(void);

int main(void)
{
    void *context = zmq_ctx_new();
    void *socket = zmq_socket(context, ZMQ_PUSH);
    if (zmq_bind(socket, "tcp://127.0.0.1:*") || zmq_close(socket) || zmq_ctx_term(context))
        return 1;
    return other_contains_panics() == 1 ? 0 : 2;
}
