/* Pipeline: one hands out work, workers share it, one collects the results. Three threads on one context, over inproc.
 *
 *   cc pipeline.c -lzmq -lpthread -o pipeline && ./pipeline
 */
#include <pthread.h>
#include <stdio.h>
#include <zmq.h>

enum { JOBS = 1000, WORKERS = 3 };

/* Passed once all workers are connected: a PUSH shares work among the peers that it has. */
static pthread_barrier_t connected;

static void *worker (void *context)
{
    void *work = zmq_socket (context, ZMQ_PULL), *results = zmq_socket (context, ZMQ_PUSH);
    /* A name of inproc may be connected to before it is bound. */
    zmq_connect (work, "inproc://work");
    zmq_connect (results, "inproc://results");
    pthread_barrier_wait (&connected);
    long number;
    while (zmq_recv (work, &number, sizeof number, 0) == sizeof number && number >= 0) {
        long square = number * number;
        zmq_send (results, &square, sizeof square, 0);
    }
    zmq_close (work);
    zmq_close (results);
    return NULL;
}

int main (void)
{
    void *context = zmq_ctx_new ();
    void *work = zmq_socket (context, ZMQ_PUSH), *results = zmq_socket (context, ZMQ_PULL);
    /* Results may wait without bound: else work and results could wait for each other. */
    int unlimited = 0;
    zmq_setsockopt (results, ZMQ_RCVHWM, &unlimited, sizeof unlimited);
    if (zmq_bind (work, "inproc://work") != 0 || zmq_bind (results, "inproc://results") != 0)
        return 1;
    pthread_t threads[WORKERS];
    pthread_barrier_init (&connected, NULL, WORKERS + 1);
    for (int i = 0; i < WORKERS; i++)
        pthread_create (&threads[i], NULL, worker, context);
    pthread_barrier_wait (&connected);

    for (long number = 1; number <= JOBS; number++)
        zmq_send (work, &number, sizeof number, 0);
    long sum = 0, square;
    for (int i = 0; i < JOBS; i++)
        if (zmq_recv (results, &square, sizeof square, 0) == sizeof square)
            sum += square;
    printf ("sum of the squares up to %d: %ld\n", JOBS, sum);

    /* A PUSH serves its peers in turn, so each worker gets one of these. */
    long stop = -1;
    for (int i = 0; i < WORKERS; i++)
        zmq_send (work, &stop, sizeof stop, 0);
    for (int i = 0; i < WORKERS; i++)
        pthread_join (threads[i], NULL);
    zmq_close (work);
    zmq_close (results);
    zmq_ctx_term (context);
    return sum == 333833500L ? 0 : 1;
}
