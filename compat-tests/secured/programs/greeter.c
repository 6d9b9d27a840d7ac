/* A server made with czmq: it answers each request, on all interfaces. Arguments: nothing, or what secures it otherwise.
   "zauth" FOLDER: an authenticator that lets in the certificates of the folder.
   "own" FOLDER CERTIFICATE: the same, and CURVE with a certificate of its own. */
#include <czmq.h>

int main (int argc, char **argv)
{
    zactor_t *authenticator = NULL;
    zsock_t *server = zsock_new (ZMQ_REP);
    assert (server);
    if (argc > 2) {
        authenticator = zactor_new (zauth, NULL);
        assert (authenticator);
        zstr_sendx (authenticator, "CURVE", argv[2], NULL);
        zsock_wait (authenticator);
    }
    if (argc > 3) {
        zcert_t *certificate = zcert_load (argv[3]);
        assert (certificate);
        zcert_apply (certificate, server);
        zsock_set_curve_server (server, 1);
        zcert_destroy (&certificate);
    }
    int port = zsock_bind (server, "tcp://*:*");
    if (port < 0) {
        fprintf (stderr, "zsock_bind: %s\n", zmq_strerror (zmq_errno ()));
        return 1;
    }
    printf ("%d\n", port);
    fflush (stdout);
    char *question;
    while ((question = zstr_recv (server))) {
        zstr_sendf (server, "the answer to %s", question);
        zstr_free (&question);
    }
    zsock_destroy (&server);
    zactor_destroy (&authenticator);
    return 0;
}
