/* Reads keys from certificate files, and sets them as they stand there. Arguments: "serve", an endpoint and its own certificate; or
   "ask", an endpoint, its own certificate and the server's. A server answers for ever, a client asks once. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

/* The text between quotation marks in the line of a file with this name. */
static void set_key (void *socket, int option, const char *file, const char *name)
{
    static char line[8192];
    FILE *stream = fopen (file, "r");
    assert (stream);
    while (fgets (line, sizeof line, stream)) {
        char *begin = strstr (line, name) ? strchr (line, '"') : NULL;
        char *end = begin ? strchr (begin + 1, '"') : NULL;
        if (end) {
            *end = 0;
            if (zmq_setsockopt (socket, option, begin + 1, strlen (begin + 1)) != 0) {
                perror (name);
                exit (1);
            }
        }
    }
    fclose (stream);
}

static void serve (void *socket, const char *endpoint, const char *own)
{
    int yes = 1;
    char question[256], bound[256];
    size_t room = sizeof bound;
    set_key (socket, ZMQ_CURVE_SECRETKEY, own, "secret-key");
    assert (zmq_setsockopt (socket, ZMQ_CURVE_SERVER, &yes, sizeof yes) == 0);
    if (zmq_bind (socket, endpoint) != 0) {
        perror ("zmq_bind");
        exit (1);
    }
    zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, bound, &room);
    puts (bound);
    fflush (stdout);
    for (;;) {
        int len = zmq_recv (socket, question, sizeof question, 0);
        assert (len >= 0 && len <= (int) sizeof question);
        zmq_send (socket, question, len, 0);
    }
}

int main (int argc, char **argv)
{
    void *context = zmq_ctx_new ();
    if (argc == 4 && strcmp (argv[1], "serve") == 0)
        serve (zmq_socket (context, ZMQ_REP), argv[2], argv[3]);
    assert (argc == 5);
    void *socket = zmq_socket (context, ZMQ_REQ);
    char answer[256] = "";
    set_key (socket, ZMQ_CURVE_PUBLICKEY, argv[3], "public-key");
    set_key (socket, ZMQ_CURVE_SECRETKEY, argv[3], "secret-key");
    set_key (socket, ZMQ_CURVE_SERVERKEY, argv[4], "public-key");
    if (zmq_connect (socket, argv[2]) != 0) {
        perror ("zmq_connect");
        return 1;
    }
    zmq_send (socket, "a question in C", 15, 0);
    if (zmq_recv (socket, answer, sizeof answer - 1, 0) < 0) {
        perror ("zmq_recv");
        return 1;
    }
    puts (answer);
    zmq_close (socket);
    zmq_ctx_term (context);
    return 0;
}
