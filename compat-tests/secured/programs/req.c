/* Asks once, and prints the answer. Arguments: the endpoint. */
#include <stdio.h>
#include <zmq.h>

int main (int argc, char **argv)
{
    void *context = zmq_ctx_new ();
    void *socket = zmq_socket (context, ZMQ_REQ);
    if (argc != 2 || zmq_connect (socket, argv[1]) != 0) {
        perror ("zmq_connect");
        return 1;
    }
    char answer[256] = "";
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
