/* One side of the demonstration: plain C against the system's zmq.h. peer.py is the same in Python.
 *
 *   peer ROLE bind|connect ENDPOINT COUNT
 *
 * Prints `at ENDPOINT` once it is bound or connected, and in the end what it sent and received, with a hash over
 * all of it: the two sides must agree. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>
#include "sha256.h"

#define WINDOW 100
#define LARGEST 4096

static void *sock;
static sha256 sent_hash, received_hash;
static long sent, received;
static double started, ended;

static void must(int fine, const char *what)
{
    if (!fine) {
        fprintf(stderr, "%s: %s\n", what, zmq_strerror(zmq_errno()));
        exit(1);
    }
}

/* ZMQ_WSS_KEY_PEM and its like, which are drafts in zmq.h. */
enum { KEY_PEM = 103, CERT_PEM = 104, TRUST_PEM = 105, HOSTNAME = 106 };

static void set_file(int option, const char *folder, const char *name)
{
    char path[4096], text[16384];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    must(file != NULL, path);
    size_t size = fread(text, 1, sizeof text, file);
    fclose(file);
    must(zmq_setsockopt(sock, option, text, size) == 0, path);
}

static void use_tls(const char *folder, int binds)
{
    if (binds) {
        set_file(CERT_PEM, folder, "server.pem");
        set_file(KEY_PEM, folder, "server.key.pem");
    } else {
        set_file(TRUST_PEM, folder, "authority.pem");
        must(zmq_setsockopt(sock, HOSTNAME, "server.ferrozmq.test", 20) == 0, "HOSTNAME");
    }
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Message number i: some 100 bytes mostly, now and then a few thousand. */
static size_t make_message(long i, char *body)
{
    size_t size = i % 50 == 49 ? LARGEST : 16 + (size_t)(i * 37 % 180), at;
    int start = snprintf(body, LARGEST, "message %ld ", i);
    for (at = (size_t)start; at < size; at++)
        body[at] = (char)('a' + (i + (long)at) % 26);
    return size > (size_t)start ? size : (size_t)start;
}

static void send_frame(const void *body, size_t size, int flags)
{
    must(zmq_send(sock, body, size, flags) == (int)size, "zmq_send");
    sha256_add(&sent_hash, body, size);
}

static void send_one(long i)
{
    char body[LARGEST];
    send_frame(body, make_message(i, body), 0);
    sent++;
}

/* Receives one frame, hashes it, sends it back where `echo` says so; whether more follow. */
static int receive_frame(int hashed, int echo)
{
    zmq_msg_t msg;
    int more;
    zmq_msg_init(&msg);
    must(zmq_msg_recv(&msg, sock, 0) >= 0, "zmq_msg_recv");
    more = zmq_msg_more(&msg);
    if (hashed)
        sha256_add(&received_hash, zmq_msg_data(&msg), zmq_msg_size(&msg));
    if (hashed && echo)
        sha256_add(&sent_hash, zmq_msg_data(&msg), zmq_msg_size(&msg));
    if (echo)
        must(zmq_msg_send(&msg, sock, more ? ZMQ_SNDMORE : 0) >= 0, "zmq_msg_send");
    zmq_msg_close(&msg);
    return more;
}

static void receive_one(int echo)
{
    while (receive_frame(1, echo))
        ;
    received++;
    sent += echo;
    if (received == 1)
        started = now();
}

static void run_req(long count)
{
    started = now();
    while (received < count) {
        send_one(sent);
        while (receive_frame(1, 0))
            ;
        received++;
    }
}

static void run_rep(long count)
{
    while (received < count)
        receive_one(1);
}

/* Keeps a window of messages of two frames on the way. */
static void run_dealer(long count)
{
    started = now();
    while (received < count) {
        while (sent < count && sent - received < WINDOW) {
            send_frame("part one", 8, ZMQ_SNDMORE);
            send_one(sent);
        }
        while (receive_frame(1, 0))
            ;
        received++;
    }
}

static void run_router(long count)
{
    while (received < count) {
        /* The routing id leads back; it is no part of what was said. */
        must(receive_frame(0, 1), "routing id");
        receive_one(1);
    }
}

/* Says hello until standard input says that the subscriber has heard it. */
static void run_pub(long count)
{
    zmq_pollitem_t go = {NULL, STDIN_FILENO, ZMQ_POLLIN, 0};
    while (zmq_poll(&go, 1, 10) == 0)
        must(zmq_send(sock, "hello", 5, 0) == 5, "hello");
    while (sent < count)
        send_one(sent);
}

static void run_sub(long count)
{
    zmq_msg_t msg;
    int heard = 0;
    while (received < count) {
        zmq_msg_init(&msg);
        must(zmq_msg_recv(&msg, sock, 0) >= 0, "zmq_msg_recv");
        if (zmq_msg_size(&msg) == 5) {
            if (!heard++)
                puts("heard");
        } else {
            sha256_add(&received_hash, zmq_msg_data(&msg), zmq_msg_size(&msg));
            if (received++ == 0)
                started = now();
        }
        zmq_msg_close(&msg);
    }
}

static void run_push(long count)
{
    while (sent < count)
        send_one(sent);
}

static void run_pull(long count)
{
    while (received < count)
        receive_one(0);
}

static const struct role {
    const char *name;
    int type;
    void (*run)(long count);
} roles[] = {{"REQ", ZMQ_REQ, run_req},          {"REP", ZMQ_REP, run_rep},
             {"PUB", ZMQ_PUB, run_pub},          {"SUB", ZMQ_SUB, run_sub},
             {"PUSH", ZMQ_PUSH, run_push},       {"PULL", ZMQ_PULL, run_pull},
             {"DEALER", ZMQ_DEALER, run_dealer}, {"ROUTER", ZMQ_ROUTER, run_router}};

static void report(void)
{
    char sent_text[65], received_text[65];
    int major, minor, patch;
    sha256_finish(&sent_hash, sent_text);
    sha256_finish(&received_hash, received_text);
    zmq_version(&major, &minor, &patch);
    printf("{\"sent\": %ld, \"sent_hash\": \"%s\", \"received\": %ld, \"received_hash\": \"%s\", "
           "\"seconds\": %f, \"version\": \"%d.%d.%d\"}\n",
           sent, sent_text, received, received_text, ended - started, major, minor, patch);
}

int main(int argc, char **argv)
{
    char endpoint[256];
    size_t size = sizeof endpoint, i;
    int no_limit = 0;
    void *context = zmq_ctx_new();
    const struct role *role = NULL;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (i = 0; argc == 5 && i < sizeof roles / sizeof *roles; i++)
        if (strcmp(argv[1], roles[i].name) == 0)
            role = &roles[i];
    if (!role)
        return 2;
    sha256_start(&sent_hash);
    sha256_start(&received_hash);
    must((sock = zmq_socket(context, role->type)) != NULL, "zmq_socket");
    /* Nothing may be dropped, or the hashes cannot agree. */
    must(zmq_setsockopt(sock, ZMQ_SNDHWM, &no_limit, sizeof no_limit) == 0, "ZMQ_SNDHWM");
    must(zmq_setsockopt(sock, ZMQ_RCVHWM, &no_limit, sizeof no_limit) == 0, "ZMQ_RCVHWM");
    if (role->type == ZMQ_SUB)
        must(zmq_setsockopt(sock, ZMQ_SUBSCRIBE, "", 0) == 0, "ZMQ_SUBSCRIBE");
    if (getenv("DEMO_CERTIFICATES"))
        use_tls(getenv("DEMO_CERTIFICATES"), strcmp(argv[2], "bind") == 0);
    must((strcmp(argv[2], "bind") == 0 ? zmq_bind : zmq_connect)(sock, argv[3]) == 0, argv[3]);
    must(zmq_getsockopt(sock, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0, "ZMQ_LAST_ENDPOINT");
    printf("at %s\n", endpoint);
    role->run(atol(argv[4]));
    ended = now();
    must(zmq_close(sock) == 0, "zmq_close");
    must(zmq_ctx_term(context) == 0, "zmq_ctx_term");
    report();
    return 0;
}
