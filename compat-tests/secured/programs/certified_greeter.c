/* A server made with czmq that lets in whose certificates lie in a folder (zauth). Its own secret key it takes from a certificate with
   zconfig. Arguments: the endpoint, the certificate, the folder. */
#include <czmq.h>

int main (int argc, char **argv)
{
    assert (argc == 4);
    zactor_t *authenticator = zactor_new (zauth, NULL);
    zstr_sendx (authenticator, "CURVE", argv[3], NULL);
    zsock_wait (authenticator);
    zsock_t *server = zsock_new (ZMQ_REP);
    zconfig_t *own = zconfig_load (argv[2]);
    assert (own);
    zsock_set_curve_secretkey (server, zconfig_get (own, "/curve/secret-key", NULL));
    zsock_set_curve_server (server, 1);
    zsock_set_zap_domain (server, "global");
    zconfig_destroy (&own);
    if (zsock_bind (server, "%s", argv[1]) < 0) {
        fprintf (stderr, "zsock_bind: %s\n", zmq_strerror (zmq_errno ()));
        return 1;
    }
    char *bound = zsock_last_endpoint (server);
    puts (bound);
    fflush (stdout);
    zstr_free (&bound);
    for (;;) {
        zframe_t *question = zframe_recv (server);
        if (!question)
            break;
        char *text = zframe_strdup (question);
        zstr_sendf (server, "the answer to %s of %s", text, zframe_meta (question, "User-Id"));
        zstr_free (&text);
        zframe_destroy (&question);
    }
    zsock_destroy (&server);
    zactor_destroy (&authenticator);
    return 0;
}
