/* What the parts of the worker share: what a process was told to do, and the records that it sends and checks. */
#ifndef TORTURE_H
#define TORTURE_H

#include <stdint.h>
#include <stddef.h>
#include <zmq.h>

struct kind {
    const char *name;
    int sends, receives;
    /* What is received is sent back, and the sender checks it. */
    int echoes;
    /* Only whole exchanges: a request, then its reply. */
    int strict;
};

/* The command line: NAME=VALUE words. */
struct settings {
    const struct kind *kind;
    /* The folder has PEM files, for TLS. */
    const char *role, *endpoint, *bind_side, *certificates;
    int seconds, hwm, heartbeat_ivl_ms, heartbeat_timeout_ms, unordered, churn, handover, curve, linger_ms, most_bytes;
    unsigned seed;
};

/* In front of each message. */
struct record {
    uint64_t sender;
    uint64_t number;
    uint64_t hash;
    uint32_t frames;
    uint32_t bytes;
};

extern struct settings settings;
extern void *context;

const struct kind *find_kind(const char *name);
double seconds_now(void);
uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length);
uint32_t chance(unsigned *state);
/* Ends the process with what is wrong: a line that the driver shows. */
void wrong(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* A socket of one side of the kind, bound or connected as the settings say. For PEER `routing_id` gets the peer's. */
void *open_side(int sends, uint32_t *routing_id);
/* Sends so long; tells the driver "sent SENDER COUNT" for each socket it used. */
void send_all(void);
/* Receives until its standard input ends and nothing more comes; tells "received SENDER FIRST LAST GAPS". */
void receive_all(void);

#endif
