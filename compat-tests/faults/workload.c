#define _GNU_SOURCE
#include "workload.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { TCP_REQREP, IPC_PUBSUB, TCP_PUSH, TCP_CURVE, INPROC, WS, IPC_DEALER, TCP_HOST, IPC_STALE, TLS };
const char *const pair_names[PAIRS] = {"reqrep-tcp", "pubsub-ipc", "push-tcp", "curve-tcp", "pair-inproc",
                                       "push-ws", "dealer-ipc", "push-host", "push-ipc-stale", "push-tls"};
static const struct {
    int binds, connects;
    const char *endpoint;
} KINDS[PAIRS] = {
    {ZMQ_REP, ZMQ_REQ, "tcp://127.0.0.1:*"},   {ZMQ_SUB, ZMQ_PUB, "ipc://a"},      {ZMQ_PULL, ZMQ_PUSH, "tcp://lo:*"},
    {ZMQ_PULL, ZMQ_PUSH, "tcp://127.0.0.1:*"}, {ZMQ_PAIR, ZMQ_PAIR, "inproc://p"}, {ZMQ_PULL, ZMQ_PUSH, "ws://127.0.0.1:*"},
    {ZMQ_DEALER, ZMQ_DEALER, "ipc://*"},       {ZMQ_PULL, ZMQ_PUSH, "tcp://127.0.0.1:*"}, {ZMQ_PULL, ZMQ_PUSH, "ipc://stale"},
    {ZMQ_PULL, ZMQ_PUSH, "tls://127.0.0.1:*"},
};
/* Milliseconds for one exchange: while calls fail, and once they do not. */
#define EXCHANGE_DURING_MS 250
#define EXCHANGE_AFTER_MS 6000

static struct report *report;
static void *context, *monitor;
static struct {
    void *binder, *connecter;
    char endpoint[200];
} pairs[PAIRS];
/* A descriptor that is always quiet, for zmq_poll to wait for beside sockets. */
static int quiet_pipe[2] = {-1, -1};

double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static double processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

void wait_ms(int ms)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    syscall(SYS_rt_sigtimedwait, &set, NULL, &t, 8);
}

/* Each kind of failure is told a few times. */
static void note(const char *what)
{
    char text[64];
    snprintf(text, sizeof text, " %s=%s", what, strerrorname_np(zmq_errno()) ? strerrorname_np(zmq_errno()) : "?");
    int told = 0;
    for (char *at = report->notes; (at = strstr(at, text)); at += strlen(text))
        ++told;
    if (told < 2 && strlen(report->notes) + sizeof text < sizeof report->notes)
        strcat(report->notes, text);
}

static void set_int(void *socket, int option, int value)
{
    zmq_setsockopt(socket, option, &value, sizeof value);
}

static void *new_socket(int type)
{
    void *socket = zmq_socket(context, type);
    if (!socket) {
        note("socket");
        return NULL;
    }
    set_int(socket, ZMQ_LINGER, 0);
    set_int(socket, ZMQ_RCVTIMEO, 300);
    set_int(socket, ZMQ_SNDTIMEO, 300);
    set_int(socket, ZMQ_RECONNECT_IVL, 20);
    set_int(socket, ZMQ_HANDSHAKE_IVL, 1000);
    return socket;
}

static int use_curve(void *server, void *client)
{
    char public_key[41], secret_key[41], client_public[41], client_secret[41];
    if (zmq_curve_keypair(public_key, secret_key) || zmq_curve_keypair(client_public, client_secret)) {
        note("keypair");
        return 0;
    }
    set_int(server, ZMQ_CURVE_SERVER, 1);
    return !zmq_setsockopt(server, ZMQ_CURVE_SECRETKEY, secret_key, 41)
        && !zmq_setsockopt(client, ZMQ_CURVE_PUBLICKEY, client_public, 41)
        && !zmq_setsockopt(client, ZMQ_CURVE_SECRETKEY, client_secret, 41)
        && !zmq_setsockopt(client, ZMQ_CURVE_SERVERKEY, public_key, 41);
}

static struct {
    const char *name;
    int option, of_server;
    char text[8192];
    size_t size;
} certificates[] = {
    {TLS_FOLDER "/server.pem", ZMQ_WSS_CERT_PEM, 1, "", 0},
    {TLS_FOLDER "/server.key.pem", ZMQ_WSS_KEY_PEM, 1, "", 0},
    {TLS_FOLDER "/authority.pem", ZMQ_WSS_TRUST_PEM, 0, "", 0},
};
enum { CERTIFICATES = sizeof certificates / sizeof *certificates };

/* Before any call is made to fail. */
static void read_certificates(void)
{
    for (int i = 0; i < CERTIFICATES; ++i) {
        FILE *file = fopen(certificates[i].name, "r");
        if (file) {
            certificates[i].size = fread(certificates[i].text, 1, sizeof certificates[i].text, file);
            fclose(file);
        }
    }
}

static int use_tls(void *server, void *client)
{
    for (int i = 0; i < CERTIFICATES; ++i)
        if (zmq_setsockopt(certificates[i].of_server ? server : client, certificates[i].option, certificates[i].text,
                           certificates[i].size))
            return 0;
    return !zmq_setsockopt(client, ZMQ_WSS_HOSTNAME, "server.ferrozmq.test", 20);
}

/* What a server of the same name has left behind; before any call is made to fail. */
static void leave_stale_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "stale"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    bind(fd, (struct sockaddr *) &address, sizeof address);
    close(fd);
}

static void watch(void *socket)
{
    if (zmq_socket_monitor(socket, "inproc://monitor", ZMQ_EVENT_ALL)) {
        note("monitor");
        return;
    }
    monitor = new_socket(ZMQ_PAIR);
    if (monitor)
        zmq_connect(monitor, "inproc://monitor");
}

static void make_pair(int i)
{
    void *binder = pairs[i].binder = new_socket(KINDS[i].binds);
    void *connecter = pairs[i].connecter = binder ? new_socket(KINDS[i].connects) : NULL;
    if (!connecter)
        return;
    if (i == TCP_REQREP) {
        set_int(connecter, ZMQ_REQ_RELAXED, 1);
        set_int(connecter, ZMQ_REQ_CORRELATE, 1);
        watch(binder);
    }
    if (i == TCP_CURVE && !use_curve(binder, connecter))
        return;
    if (i == TLS && !use_tls(binder, connecter)) {
        note("tls");
        return;
    }
    if (i == IPC_PUBSUB)
        zmq_setsockopt(binder, ZMQ_SUBSCRIBE, "", 0);
    if (zmq_bind(binder, KINDS[i].endpoint)) {
        note("bind");
        return;
    }
    char *endpoint = pairs[i].endpoint;
    size_t size = sizeof pairs[i].endpoint;
    if (zmq_getsockopt(binder, ZMQ_LAST_ENDPOINT, endpoint, &size)) {
        note("last_endpoint");
        return;
    }
    if (i == TCP_HOST) {
        char port[20];
        snprintf(port, sizeof port, "%s", strrchr(endpoint, ':'));
        snprintf(endpoint, size, "tcp://localhost%s", port);
    }
    if (zmq_connect(connecter, endpoint)) {
        note("connect");
        return;
    }
    report->made[i] = 1;
}

/* One of the ways to wait for a message. */
static void wait_for(void *socket, int way)
{
    if (way == 0) {
        zmq_pollitem_t items[2] = {{socket, 0, ZMQ_POLLIN, 0}, {NULL, quiet_pipe[0], ZMQ_POLLIN, 0}};
        if (zmq_poll(items, quiet_pipe[0] < 0 ? 1 : 2, 50) < 0 && zmq_errno() != EINTR) {
            note("poll");
            wait_ms(5);
        }
    } else if (way == 1) {
        int fd, events;
        size_t size = sizeof fd;
        if (zmq_getsockopt(socket, ZMQ_FD, &fd, &size))
            note("fd");
        size = sizeof events;
        zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size);
    }
}

static int is_passing(int code)
{
    return code == EAGAIN || code == EINTR;
}

/* Whether a message with number `number` and so many bytes comes; older ones are thrown away. */
static int take(int i, int number, int length, char *buffer, int room)
{
    void *to = pairs[i].binder;
    /* The ways that make a descriptor stay with each second pair. */
    wait_for(to, number % 3 == 0 ? 0 : number % 3 == 1 && i % 2 == 0 ? 1 : 2);
    for (int tries = 0; tries < 200; ++tries) {
        int got = zmq_recv(to, buffer, room, tries ? ZMQ_DONTWAIT : 0), told;
        if (got < 0) {
            if (!is_passing(zmq_errno())) {
                note("recv");
                wait_ms(5);
            }
            return 0;
        }
        memcpy(&told, buffer, sizeof told);
        int wanted = got == length && told == number;
        if (i == TCP_REQREP) {
            zmq_send(to, "r", 1, ZMQ_DONTWAIT);
            if (wanted)
                zmq_recv(pairs[i].connecter, buffer, 10, 0);
        }
        if (wanted)
            return 1;
    }
    return 0;
}

/* Sends a message through a pair until one arrives; whether it does within so many milliseconds. */
static int exchange(int i, int ms)
{
    static int number;
    static char out[30000], in[30000];
    if (!report->made[i])
        return 0;
    double end = seconds_now() + ms / 1e3;
    int wanted = ++number, length = wanted % 5 == 0 ? 20000 : 30;
    memcpy(out, &wanted, sizeof wanted);
    while (seconds_now() < end) {
        if (zmq_send(pairs[i].connecter, out, length, wanted % 2 ? ZMQ_DONTWAIT : 0) < 0 && !is_passing(zmq_errno()))
            note("send");
        if (take(i, wanted, length, in, sizeof in))
            return 1;
        if (i == TCP_REQREP)
            zmq_recv(pairs[i].connecter, in, 10, ZMQ_DONTWAIT);
        wait_ms(3);
    }
    return 0;
}

static int fresh_pair(void)
{
    void *pull = new_socket(ZMQ_PULL), *push = new_socket(ZMQ_PUSH);
    char text[200];
    size_t size = sizeof text;
    int good = 0;
    if (pull && push) {
        set_int(pull, ZMQ_RCVTIMEO, 5000);
        set_int(push, ZMQ_SNDTIMEO, 3000);
        good = !zmq_bind(pull, "tcp://127.0.0.1:*") && !zmq_getsockopt(pull, ZMQ_LAST_ENDPOINT, text, &size)
            && !zmq_connect(push, text) && zmq_send(push, "x", 1, 0) == 1 && zmq_recv(pull, text, 9, 0) == 1;
    }
    if (!good)
        note("fresh");
    if (pull)
        zmq_close(pull);
    if (push)
        zmq_close(push);
    return good;
}

static void see_idle(void)
{
    double used = processor_seconds(), began = seconds_now();
    wait_ms(600);
    report->idle_percent = 100 * (processor_seconds() - used) / (seconds_now() - began);
}

static void recover(void)
{
    report->phase = RECOVERING;
    report->armed = 0;
    for (int round = 0; round < 2; ++round)
        for (int i = 0; i < PAIRS; ++i)
            if (round == 1 || !report->made[i])
                report->after[i] = exchange(i, EXCHANGE_AFTER_MS);
    report->phase = FRESH;
    report->fresh = fresh_pair();
    char text[300];
    while (monitor && zmq_recv(monitor, text, sizeof text, ZMQ_DONTWAIT) >= 0) {
    }
}

static void end_all(void)
{
    report->phase = CLOSING;
    if (monitor)
        zmq_close(monitor);
    for (int i = 0; i < PAIRS; ++i) {
        /* What was bound under a name of its own leaves a file and a directory. */
        if (i == IPC_DEALER && report->made[i])
            zmq_unbind(pairs[i].binder, pairs[i].endpoint);
        if (pairs[i].connecter)
            zmq_close(pairs[i].connecter);
        if (pairs[i].binder)
            zmq_close(pairs[i].binder);
    }
    report->phase = TERMINATING;
    double began = seconds_now();
    while (zmq_ctx_term(context) && zmq_errno() == EINTR && seconds_now() - began < 20) {
    }
    report->term_ms = (seconds_now() - began) * 1000;
    report->armed = 0;
    report->phase = FINISHED;
}

void workload(struct report *shared, char when)
{
    report = shared;
    leave_stale_socket();
    read_certificates();
    if (pipe(quiet_pipe))
        quiet_pipe[0] = -1;
    report->armed = when == 's';
    report->phase = MAKING;
    context = zmq_ctx_new();
    if (!context) {
        note("context");
        report->armed = 0;
        report->phase = FINISHED;
        return;
    }
    for (int i = 0; i < PAIRS; ++i)
        if (i == WS ? zmq_has("draft") : i == TLS ? zmq_has("tls") : 1)
            make_pair(i);
    report->phase = MADE;
    if (when == 'e') {
        for (int i = 0; i < PAIRS; ++i)
            exchange(i, 2000);
        report->armed = 1;
    }
    report->phase = DURING;
    for (int i = 0; i < PAIRS; ++i)
        report->during[i] = exchange(i, EXCHANGE_DURING_MS);
    report->phase = IDLE;
    see_idle();
    recover();
    report->armed = when == 'c';
    end_all();
}
