/* A monitor: what happens to a socket's connections, as messages on a PAIR socket.
 *
 *   cc monitor.c -lzmq -o monitor && ./monitor
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

/* The first frame of an event has its number and a value, the second one the endpoint. */
static int next_event (void *monitor, uint32_t *value, char *endpoint, size_t room)
{
    unsigned char frame[6];
    if (zmq_recv (monitor, frame, sizeof frame, 0) != sizeof frame)
        return -1;
    int size = zmq_recv (monitor, endpoint, room - 1, 0);
    if (size < 0)
        return -1;
    endpoint[size < (int) room ? size : (int) room - 1] = '\0';
    uint16_t number;
    memcpy (&number, frame, sizeof number);
    memcpy (value, frame + 2, sizeof *value);
    return number;
}

static const char *name (int event)
{
    switch (event) {
        case ZMQ_EVENT_LISTENING: return "listening";
        case ZMQ_EVENT_ACCEPTED: return "accepted";
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: return "handshake succeeded";
        case ZMQ_EVENT_DISCONNECTED: return "disconnected";
        case ZMQ_EVENT_CLOSED: return "closed";
        default: return "something else";
    }
}

int main (void)
{
    void *context = zmq_ctx_new ();
    void *server = zmq_socket (context, ZMQ_PULL), *client = zmq_socket (context, ZMQ_PUSH);
    /* Before the socket binds, so that nothing is missed. */
    zmq_socket_monitor (server, "inproc://monitor", ZMQ_EVENT_ALL);
    void *monitor = zmq_socket (context, ZMQ_PAIR);
    int timeout_ms = 5000;
    zmq_setsockopt (monitor, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
    zmq_connect (monitor, "inproc://monitor");

    char endpoint[256];
    size_t size = sizeof endpoint;
    zmq_bind (server, "tcp://127.0.0.1:*");
    zmq_getsockopt (server, ZMQ_LAST_ENDPOINT, endpoint, &size);
    zmq_connect (client, endpoint);

    int event = 0;
    uint32_t value;
    while (event >= 0 && event != ZMQ_EVENT_DISCONNECTED) {
        event = next_event (monitor, &value, endpoint, sizeof endpoint);
        if (event >= 0)
            printf ("%s: %s (value %u)\n", name (event), endpoint, value);
        if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
            zmq_close (client);
    }
    zmq_close (server);
    zmq_close (monitor);
    zmq_ctx_term (context);
    return event == ZMQ_EVENT_DISCONNECTED ? 0 : 1;
}
