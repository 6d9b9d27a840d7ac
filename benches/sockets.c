/* Sockets as programs have them: default options but for what a cell is about. */
#define _GNU_SOURCE
#include "bench.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void *the_context;

/* The context of this process. */
void *context(void)
{
    if (the_context == NULL) {
        the_context = zmq_ctx_new();
        check(the_context != NULL, "zmq_ctx_new");
        zmq_ctx_set(the_context, ZMQ_IO_THREADS, (int)option_number("io_threads", 1));
        /* 1,023 unless asked for more; costs nothing before a socket is opened. */
        zmq_ctx_set(the_context, ZMQ_MAX_SOCKETS, 10000);
    }
    return the_context;
}

void context_end(void)
{
    if (the_context != NULL)
        zmq_ctx_term(the_context);
    the_context = NULL;
}

void set_int(void *socket, int option, int value)
{
    check(zmq_setsockopt(socket, option, &value, sizeof value) == 0, "zmq_setsockopt");
}

void *open_socket(int type)
{
    void *socket = zmq_socket(context(), type);
    check(socket != NULL, "zmq_socket");
    long hwm = option_number("hwm", -1);
    if (hwm >= 0) {
        set_int(socket, ZMQ_SNDHWM, (int)hwm);
        set_int(socket, ZMQ_RCVHWM, (int)hwm);
    }
    return socket;
}

/* Drops what was not sent: it would be measured by nobody. */
void close_socket(void *socket)
{
    int none = 0;
    check(zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none) == 0 || errno == ETERM, "ZMQ_LINGER");
    check(zmq_close(socket) == 0, "zmq_close");
}

void bind_here(void *socket, size_t place)
{
    const char *transport = option_text("transport", "tcp");
    char name[100];
    size_t size = sizeof shared->endpoint[place];
    if (strcmp(transport, "tcp") == 0)
        snprintf(name, sizeof name, "tcp://127.0.0.1:*");
    else if (strcmp(transport, "ws") == 0)
        snprintf(name, sizeof name, "ws://127.0.0.1:*");
    else if (strcmp(transport, "ipc") == 0)
        snprintf(name, sizeof name, "ipc://@zmqbench-%d-%zu", (int)getpid(), place);
    else
        snprintf(name, sizeof name, "inproc://%zu", place);
    check(zmq_bind(socket, name) == 0, name);
    check(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, shared->endpoint[place], &size) == 0, "ZMQ_LAST_ENDPOINT");
    raise_flag(&shared->bound[place]);
}

void connect_there(void *socket, size_t place)
{
    check(zmq_connect(socket, shared->endpoint[place]) == 0, shared->endpoint[place]);
}

/* Lets everybody in who asks for PLAIN, as a program's authenticator would. */
static void *authenticate(void *socket)
{
    enum { REQUEST_ID = 1 };
    char request[100], other[300];
    for (;;) {
        int count = 0, request_size = 0, more = 0;
        do {
            size_t size = sizeof more;
            bool is_request = count++ == REQUEST_ID;
            int got = zmq_recv(socket, is_request ? request : other, is_request ? sizeof request : sizeof other, 0);
            if (got < 0) {
                zmq_close(socket);
                return NULL;
            }
            if (is_request)
                request_size = got;
            zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size);
        } while (more);
        zmq_send(socket, "1.0", 3, ZMQ_SNDMORE);
        zmq_send(socket, request, (size_t)request_size, ZMQ_SNDMORE);
        zmq_send(socket, "200", 3, ZMQ_SNDMORE);
        zmq_send(socket, "OK", 2, ZMQ_SNDMORE);
        zmq_send(socket, "user", 4, ZMQ_SNDMORE);
        zmq_send(socket, "", 0, 0);
    }
}

static void start_authenticator(void)
{
    pthread_t thread;
    void *socket = zmq_socket(context(), ZMQ_REP);
    check(socket != NULL && zmq_bind(socket, "inproc://zeromq.zap.01") == 0, "the authenticator's socket");
    check(pthread_create(&thread, NULL, authenticate, socket) == 0, "pthread_create");
    pthread_detach(thread);
}

enum { QZMQ_XWING = 1174437889 }; /* ZMQ_FERRO_XWING of zmq_ferro.h, which the other libraries do not have */

/* A key pair of CURVE or of QZMQ; false where the cell has no keys. */
static bool key_pair(struct keys *keys)
{
    if (option_is("security", "curve", "null")) {
        check(zmq_curve_keypair(keys->public_key, keys->secret) == 0, "zmq_curve_keypair");
        return true;
    }
    if (!option_is("security", "qzmq", "null"))
        return false;
    int (*make)(int, char *, size_t, char *, size_t) = dlsym(RTLD_DEFAULT, "zmq_ferro_keypair");
    errno = ENOTSUP;
    check(make != NULL, "zmq_ferro_keypair");
    check(make(QZMQ_XWING, keys->public_key, sizeof keys->public_key, keys->secret, sizeof keys->secret) == 0,
          "zmq_ferro_keypair");
    return true;
}

static void set_key(void *socket, int option, const char *key)
{
    check(zmq_setsockopt(socket, option, key, strlen(key)) == 0, "a key");
}

void secure_server(void *socket)
{
    if (option_is("security", "plain", "null")) {
        start_authenticator();
        set_int(socket, ZMQ_PLAIN_SERVER, 1);
    } else if (key_pair(&shared->server)) {
        set_int(socket, ZMQ_CURVE_SERVER, 1);
        set_key(socket, ZMQ_CURVE_SECRETKEY, shared->server.secret);
    }
}

void secure_client(void *socket)
{
    static struct keys own;
    if (option_is("security", "plain", "null")) {
        check(zmq_setsockopt(socket, ZMQ_PLAIN_USERNAME, "user", 4) == 0, "ZMQ_PLAIN_USERNAME");
        check(zmq_setsockopt(socket, ZMQ_PLAIN_PASSWORD, "word", 4) == 0, "ZMQ_PLAIN_PASSWORD");
    } else if (own.secret[0] != '\0' || key_pair(&own)) {
        set_key(socket, ZMQ_CURVE_SERVERKEY, shared->server.public_key);
        set_key(socket, ZMQ_CURVE_PUBLICKEY, own.public_key);
        set_key(socket, ZMQ_CURVE_SECRETKEY, own.secret);
    }
}
