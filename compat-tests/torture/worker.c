/* One process of the torture: sends records, receives and checks them, or both in threads of its own. See torture.h. */
#include "torture.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct settings settings = {.role = "both", .endpoint = "inproc://torture", .bind_side = "receiver", .seconds = 2, .hwm = 1000,
                            .linger_ms = -1, .most_bytes = 70000, .seed = 1};
void *context;

static const struct kind KINDS[] = {
    {"push-pull", ZMQ_PUSH, ZMQ_PULL, 0, 0},         {"pub-sub", ZMQ_PUB, ZMQ_SUB, 0, 0},
    {"xpub-xsub", ZMQ_XPUB, ZMQ_XSUB, 0, 0},         {"req-rep", ZMQ_REQ, ZMQ_REP, 1, 1},
    {"req-router", ZMQ_REQ, ZMQ_ROUTER, 1, 1},       {"dealer-router", ZMQ_DEALER, ZMQ_ROUTER, 1, 0},
    {"dealer-rep", ZMQ_DEALER, ZMQ_REP, 1, 1},       {"dealer-dealer", ZMQ_DEALER, ZMQ_DEALER, 0, 0},
    {"pair-pair", ZMQ_PAIR, ZMQ_PAIR, 0, 0},         {"client-server", ZMQ_CLIENT, ZMQ_SERVER, 1, 0},
    {"radio-dish", ZMQ_RADIO, ZMQ_DISH, 0, 0},       {"scatter-gather", ZMQ_SCATTER, ZMQ_GATHER, 0, 0},
    {"channel-channel", ZMQ_CHANNEL, ZMQ_CHANNEL, 0, 0}, {"peer-peer", ZMQ_PEER, ZMQ_PEER, 1, 0},
    {"stream-stream", ZMQ_STREAM, ZMQ_STREAM, 0, 0},
};

const struct kind *find_kind(const char *name)
{
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; ++i)
        if (strcmp(KINDS[i].name, name) == 0)
            return &KINDS[i];
    wrong("no kind %s", name);
}

double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

/* FNV-1a, eight bytes at a time and then one by one: it only has to notice. */
uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    for (; length >= 8; length -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        hash = (hash ^ word) * 0x100000001b3ULL;
    }
    for (; length > 0; --length)
        hash = (hash ^ *at++) * 0x100000001b3ULL;
    return hash;
}

uint32_t chance(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

void wrong(const char *format, ...)
{
    va_list rest;
    va_start(rest, format);
    printf("WRONG ");
    vprintf(format, rest);
    printf(" (errno %s)\n", zmq_strerror(zmq_errno()));
    fflush(stdout);
    _exit(1);
}

static void read_word(const char *word)
{
    static const struct {
        const char *name;
        int *place;
    } NUMBERS[] = {
        {"seconds=", &settings.seconds},     {"hwm=", &settings.hwm},
        {"heartbeat=", &settings.heartbeat_ivl_ms}, {"heartbeat-timeout=", &settings.heartbeat_timeout_ms},
        {"unordered=", &settings.unordered}, {"churn=", &settings.churn},         {"handover=", &settings.handover},
        {"curve=", &settings.curve},         {"linger=", &settings.linger_ms},
        {"most-bytes=", &settings.most_bytes}, {"seed=", (int *) &settings.seed},
    };
    for (size_t i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; ++i) {
        size_t length = strlen(NUMBERS[i].name);
        if (strncmp(word, NUMBERS[i].name, length) == 0) {
            *NUMBERS[i].place = atoi(word + length);
            return;
        }
    }
    if (strncmp(word, "kind=", 5) == 0)
        settings.kind = find_kind(word + 5);
    else if (strncmp(word, "role=", 5) == 0)
        settings.role = word + 5;
    else if (strncmp(word, "endpoint=", 9) == 0)
        settings.endpoint = word + 9;
    else if (strncmp(word, "bind=", 5) == 0)
        settings.bind_side = word + 5;
    else if (strncmp(word, "certificates=", 13) == 0)
        settings.certificates = word + 13;
    else
        wrong("what is %s?", word);
}

static void *send_in_thread(void *unused)
{
    (void) unused;
    send_all();
    return NULL;
}

int main(int count, char **words)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    settings.kind = find_kind("push-pull");
    for (int i = 1; i < count; ++i)
        read_word(words[i]);
    context = zmq_ctx_new();
    zmq_ctx_set(context, ZMQ_MAX_SOCKETS, 60000);
    if (strcmp(settings.role, "send") == 0) {
        send_all();
    } else if (strcmp(settings.role, "receive") == 0) {
        receive_all();
    } else {
        pthread_t sender;
        pthread_create(&sender, NULL, send_in_thread, NULL);
        receive_all();
        pthread_join(sender, NULL);
    }
    zmq_ctx_term(context);
    printf("done\n");
    return 0;
}
