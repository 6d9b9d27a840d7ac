// What the parts of the interpreter share: slots, the words of a call, and how answers are told.
#ifndef INTERPRETER_H
#define INTERPRETER_H

#include <stddef.h>
#include <zmq.h>

enum { CONTEXTS = 3, SOCKETS = 10, MESSAGES = 6, WORDS = 40, BUFFER = 70000, HANG_S = 30 };

struct call {
    const char *name; // NULL ends a table
    void (*make)(void);
    int background; // other threads may have to finish it
};

extern void *sockets[SOCKETS];
extern int context_of[SOCKETS];
extern void *monitors[SOCKETS];
extern char *words[WORDS];
extern int word_count;
extern void *contexts[CONTEXTS];

// The words of a call: a number, the slot of a thing (-1 for none), the thing itself or NULL.
long number(int index);
int slot(int index, int limit);
void *context(int index);
void *sock(int index);
// A message that is always initialized; one whose contents are closed, for the calls that initialize.
zmq_msg_t *message(int index);
zmq_msg_t *fresh(int index);
// NUL-terminated, to be freed; NULL for `-`.
unsigned char *bytes(int index, size_t *size);
char *endpoint(int index);

void say_bytes(const void *data, size_t size);
void say_rc(long rc);
// `rc` of a call that takes an endpoint: notes whether threads in the background have something to do now.
void said_endpoint(long rc, const char *address);
// Gives socket `at` a reader for its events, or takes the one it has away.
void read_events(int at, const char *address, int type);
void drop_reader(int at);

// polling.c
extern const struct call polling_calls[];
int descriptor(int index);
void close_descriptors(void);

#ifdef ZMQ_BUILD_DRAFT_API
// drafts.c
extern const struct call draft_calls[];
void forget_routes(void);
// pollers.c
extern const struct call poller_calls[];
void leave_pollers(void *socket);
void destroy_pollers(void);
#endif

#endif
