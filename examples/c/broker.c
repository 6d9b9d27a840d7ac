/* A broker: clients ask at its front, workers answer at its back, and a control socket ends it.
 *
 *   cc broker.c -lzmq -lpthread -o broker && ./broker
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

enum { QUESTIONS = 100 };

static void *socket_at (void *context, int type, const char *endpoint, int binds)
{
    void *socket = zmq_socket (context, type);
    if ((binds ? zmq_bind (socket, endpoint) : zmq_connect (socket, endpoint)) != 0)
        fprintf (stderr, "%s: %s\n", endpoint, zmq_strerror (zmq_errno ()));
    return socket;
}

static void *broker (void *context)
{
    void *front = socket_at (context, ZMQ_ROUTER, "inproc://front", 1);
    void *back = socket_at (context, ZMQ_DEALER, "inproc://back", 1);
    void *control = socket_at (context, ZMQ_REP, "inproc://control", 1);
    /* Comes back after TERMINATE. The commands PAUSE, RESUME and STATISTICS leave it running. */
    zmq_proxy_steerable (front, back, NULL, control);
    zmq_close (front);
    zmq_close (back);
    zmq_close (control);
    return NULL;
}

static void *worker (void *context)
{
    void *socket = socket_at (context, ZMQ_REP, "inproc://back", 0);
    char text[64];
    int size;
    /* Until zmq_ctx_shutdown ends the call with ETERM. */
    while ((size = zmq_recv (socket, text, sizeof text, 0)) >= 0)
        zmq_send (socket, text, size, 0);
    zmq_close (socket);
    return NULL;
}

int main (void)
{
    void *context = zmq_ctx_new ();
    pthread_t threads[3];
    pthread_create (&threads[0], NULL, broker, context);
    pthread_create (&threads[1], NULL, worker, context);
    pthread_create (&threads[2], NULL, worker, context);

    void *client = socket_at (context, ZMQ_REQ, "inproc://front", 0);
    int answered = 0;
    for (int i = 0; i < QUESTIONS; i++) {
        char question[64], answer[64];
        int length = snprintf (question, sizeof question, "question %d", i);
        zmq_send (client, question, length, 0);
        int size = zmq_recv (client, answer, sizeof answer, 0);
        answered += size == length && memcmp (question, answer, length) == 0;
    }
    void *control = socket_at (context, ZMQ_REQ, "inproc://control", 0);
    zmq_send (control, "TERMINATE", 9, 0);
    pthread_join (threads[0], NULL);
    printf ("%d of %d questions were answered\n", answered, QUESTIONS);

    zmq_close (client);
    zmq_close (control);
    zmq_ctx_shutdown (context);
    pthread_join (threads[1], NULL);
    pthread_join (threads[2], NULL);
    zmq_ctx_term (context);
    return answered == QUESTIONS ? 0 : 1;
}
