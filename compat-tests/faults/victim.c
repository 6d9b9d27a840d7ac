/* A program that peers attack: victim SECONDS. One thread serves an echo of DEALERs and a socket of each type that a peer can
 * pour something into, all over tcp; it tells where each is, then, at the end, how much of a processor its busiest call took: time in
 * which others had the processor is none of the call's.
 *
 * Lines on its output: "NAME ENDPOINT" for each socket, "ready", and at the end "longest CALL MICROSECONDS" and "term MICROSECONDS". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

static const struct {
    const char *name;
    int type;
} KINDS[] = {
    {"echo", ZMQ_ROUTER},  {"pair", ZMQ_PAIR},     {"pub", ZMQ_PUB},       {"sub", ZMQ_SUB},       {"req", ZMQ_REQ},
    {"rep", ZMQ_REP},      {"dealer", ZMQ_DEALER}, {"router", ZMQ_ROUTER}, {"pull", ZMQ_PULL},     {"push", ZMQ_PUSH},
    {"xpub", ZMQ_XPUB},    {"xsub", ZMQ_XSUB},     {"stream", ZMQ_STREAM}, {"server", ZMQ_SERVER}, {"client", ZMQ_CLIENT},
    {"radio", ZMQ_RADIO},  {"dish", ZMQ_DISH},     {"gather", ZMQ_GATHER}, {"scatter", ZMQ_SCATTER}, {"peer", ZMQ_PEER},
    {"channel", ZMQ_CHANNEL},
};
#define COUNT ((int) (sizeof KINDS / sizeof *KINDS))
#define TURN_MS 5
/* Messages that are taken from one socket before the others have their turn. */
#define AT_ONCE 50

static void *sockets[COUNT];
static long long longest_us;
static const char *longest_call = "none";

static long long now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static long long used_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

/* Notes how much of a processor a call took that began at `began_us` of this thread's time. */
static void timed(const char *call, long long began_us)
{
    long long took = used_us() - began_us;
    if (took > longest_us) {
        longest_us = took;
        longest_call = call;
    }
}

static void make_all(void *context)
{
    for (int i = 0; i < COUNT; ++i) {
        int none = 0;
        char endpoint[200];
        size_t size = sizeof endpoint;
        sockets[i] = zmq_socket(context, KINDS[i].type);
        if (!sockets[i])
            continue;
        zmq_setsockopt(sockets[i], ZMQ_LINGER, &none, sizeof none);
        if (KINDS[i].type == ZMQ_SUB)
            zmq_setsockopt(sockets[i], ZMQ_SUBSCRIBE, "match", 5);
        if (KINDS[i].type == ZMQ_DISH)
            zmq_join(sockets[i], "match");
        if (zmq_bind(sockets[i], "tcp://127.0.0.1:*") || zmq_getsockopt(sockets[i], ZMQ_LAST_ENDPOINT, endpoint, &size))
            continue;
        printf("%s %s\n", KINDS[i].name, endpoint);
    }
}

static void echo(void *socket)
{
    for (int taken = 0; taken < AT_ONCE; ++taken) {
        char address[300], body[300];
        int length = zmq_recv(socket, address, sizeof address, ZMQ_DONTWAIT);
        if (length < 0)
            return;
        int bytes = zmq_recv(socket, body, sizeof body, ZMQ_DONTWAIT);
        zmq_send(socket, address, length, ZMQ_SNDMORE | ZMQ_DONTWAIT);
        zmq_send(socket, body, bytes < 0 ? 0 : bytes, ZMQ_DONTWAIT);
    }
}

static void serve(int i)
{
    char body[1000];
    int type = KINDS[i].type, events = 0;
    size_t size = sizeof events;
    long long began = used_us();
    zmq_getsockopt(sockets[i], ZMQ_EVENTS, &events, &size);
    timed("events", began);
    for (int taken = 0; taken < AT_ONCE; ++taken) {
        began = used_us();
        int bytes = zmq_recv(sockets[i], body, sizeof body, ZMQ_DONTWAIT);
        timed("recv", began);
        if (bytes < 0)
            break;
    }
    if (type == ZMQ_PUB || type == ZMQ_XPUB || type == ZMQ_REQ || type == ZMQ_REP || type == ZMQ_DEALER) {
        began = used_us();
        zmq_send(sockets[i], "tick", 4, ZMQ_DONTWAIT);
        timed("send", began);
    }
}

int main(int count, char **words)
{
    double seconds = count > 1 ? atof(words[1]) : 5;
    setvbuf(stdout, NULL, _IOLBF, 0);
    void *context = zmq_ctx_new();
    make_all(context);
    printf("ready -\n");
    long long end = now_us() + (long long) (seconds * 1e6);
    while (now_us() < end) {
        zmq_pollitem_t items[COUNT];
        int used = 0;
        for (int i = 0; i < COUNT; ++i)
            if (sockets[i])
                items[used++] = (zmq_pollitem_t) {sockets[i], 0, ZMQ_POLLIN, 0};
        long long began = used_us();
        zmq_poll(items, used, TURN_MS);
        timed("poll", began);
        for (int i = 0; i < COUNT; ++i) {
            if (sockets[i] && i == 0)
                echo(sockets[i]);
            else if (sockets[i])
                serve(i);
        }
    }
    printf("longest %s %lld\n", longest_call, longest_us);
    long long began = now_us();
    for (int i = 0; i < COUNT; ++i)
        if (sockets[i])
            zmq_close(sockets[i]);
    zmq_ctx_term(context);
    printf("term %lld\n", now_us() - began);
    return 0;
}
