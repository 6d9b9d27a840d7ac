/* What the sockets of a context have counted, as JSON. It needs ferrozmq: libzmq has no such function.
 *
 *   cc stats.c -lzmq -o stats && ./stats
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>
#include <zmq_ferro.h>

/* The text, which the caller frees; NULL: there is none. */
static char *stats (void *context)
{
    char *text = NULL;
    size_t size = 0;
    while (zmq_ferro_stats (context, text, &size) != 0) {
        free (text);
        if (zmq_errno () != ENOBUFS)
            return NULL;
        /* Counts may have one digit more the next time. */
        size += 256;
        text = malloc (size);
        if (!text)
            return NULL;
    }
    return text;
}

int main (void)
{
    void *context = zmq_ctx_new ();
    void *pull = zmq_socket (context, ZMQ_PULL), *push = zmq_socket (context, ZMQ_PUSH);
    zmq_bind (pull, "inproc://work");
    zmq_connect (push, "inproc://work");
    for (int i = 0; i < 7; i++)
        zmq_send (push, "a task", 6, 0);

    char *text = stats (context);
    if (text)
        puts (text);
    free (text);
    zmq_close (push);
    zmq_close (pull);
    return zmq_ctx_term (context);
}
