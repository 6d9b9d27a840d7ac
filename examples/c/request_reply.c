/* Request and reply: a client asks, a server answers, one after the other.
 *
 *   cc request_reply.c -lzmq -o request_reply
 *   ./request_reply server tcp://127.0.0.1:5555 &
 *   ./request_reply client tcp://127.0.0.1:5555
 */
#include <stdio.h>
#include <string.h>
#include <zmq.h>

static int fail (const char *what)
{
    fprintf (stderr, "%s: %s\n", what, zmq_strerror (zmq_errno ()));
    return 1;
}

static int serve (void *context, const char *endpoint)
{
    void *socket = zmq_socket (context, ZMQ_REP);
    if (zmq_bind (socket, endpoint) != 0)
        return fail ("bind");
    char question[100] = "";
    while (strcmp (question, "stop") != 0) {
        int size = zmq_recv (socket, question, sizeof question - 1, 0);
        if (size < 0)
            return fail ("receive");
        /* zmq_recv answers the whole size, also where the buffer was too small. */
        question[size < (int) sizeof question ? size : (int) sizeof question - 1] = '\0';
        char answer[120];
        int length = snprintf (answer, sizeof answer, "you said: %s", question);
        if (zmq_send (socket, answer, length, 0) < 0)
            return fail ("send");
    }
    zmq_close (socket);
    return 0;
}

static int ask (void *context, const char *endpoint)
{
    void *socket = zmq_socket (context, ZMQ_REQ);
    int timeout_ms = 5000;
    zmq_setsockopt (socket, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
    if (zmq_connect (socket, endpoint) != 0)
        return fail ("connect");
    const char *questions[] = {"hello", "how are you", "stop"};
    for (int i = 0; i < 3; i++) {
        char answer[120];
        zmq_send (socket, questions[i], strlen (questions[i]), 0);
        int size = zmq_recv (socket, answer, sizeof answer, 0);
        if (size < 0)
            return fail ("no answer");
        printf ("%.*s\n", size, answer);
    }
    zmq_close (socket);
    return 0;
}

int main (int count, char **arguments)
{
    if (count != 3) {
        fprintf (stderr, "usage: request_reply server|client ENDPOINT\n");
        return 2;
    }
    void *context = zmq_ctx_new ();
    int server = strcmp (arguments[1], "server") == 0;
    int status = server ? serve (context, arguments[2]) : ask (context, arguments[2]);
    if (status == 0)
        zmq_ctx_term (context);
    return status;
}
