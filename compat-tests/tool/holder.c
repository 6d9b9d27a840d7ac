/* Has a libzmq in it. Prints its version, and waits if it is told to. */
#include <stdio.h>
#include <string.h>
#include <zmq.h>

int main (int count, char **words)
{
    int major, minor, patch;
    void *context = zmq_ctx_new ();
    zmq_version (&major, &minor, &patch);
    printf ("%d.%d.%d\n", major, minor, patch);
    fflush (stdout);
    if (count > 1 && strcmp (words[1], "wait") == 0)
        getchar ();
    return zmq_ctx_term (context);
}
