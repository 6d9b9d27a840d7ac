/* What the parts of zmqbench share: options of the command line, clocks, two sides of a measurement, sockets. */
#ifndef BENCH_H
#define BENCH_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <zmq.h>

/* options.c: key=value words; every word must be asked for by the time of options_done. */
void options_read(int count, char **words);
long option_number(const char *key, long fallback);
double option_decimal(const char *key, double fallback);
const char *option_text(const char *key, const char *fallback);
bool option_is(const char *key, const char *value, const char *fallback);
void options_done(void);

/* measure.c */
double now_s(void);
double cpu_of_this_process_s(void);
double cpu_of_process_s(pid_t process);
long anonymous_memory_bytes(void);
long open_descriptors(void);

/* Ends the process with a line on stderr; exit status 1, or 3 where the library says it cannot do it. */
_Noreturn void fail(const char *what);
void check(bool fine, const char *what);

/* Results are one line of JSON on stdout. */
void report_begin(void);
void report(const char *name, double value);
void report_percentiles_us(double *seconds, size_t count);
void report_end(void);

/* sides.c: one side runs in this process; others in processes of their own (tcp, ipc), made before any call of the
   library, or in threads on one context (inproc). */
enum { MOST_SIDES = 4, PEERS_COUNTED = 4096 };

/* As text in Z85. */
struct keys {
    char public_key[2048];
    char secret[128];
};

struct shared {
    char endpoint[2][200];
    struct keys server;
    atomic_int bound[2];
    atomic_int ready;
    atomic_int stop;
    atomic_int finished;
    atomic_long counter;
    double figures[4];
};

extern struct shared *shared;

typedef void side(void);

void sides_start(size_t count, side *const others[]);
double sides_cpu_s(void);
void sides_join(void);
bool sides_are_threads(void);
void raise_flag(atomic_int *flag);
void await_flag(atomic_int *flag);

/* sockets.c */
void *context(void);
void context_end(void);
void *open_socket(int type);
void set_int(void *socket, int option, int value);
void close_socket(void *socket);
void bind_here(void *socket, size_t place);
void connect_there(void *socket, size_t place);
void secure_server(void *socket);
void secure_client(void *socket);

/* streams.c: plain sockets of the operating system, TCP or UNIX. */
int stream_listen(void);
int stream_accept(int listener);
int stream_connect(void);
void stream_write(int stream, const void *data, size_t size);
void stream_read(int stream, void *data, size_t size);

/* waiting.c: how a program waits for a message. */
enum waiting { WAIT_RECV, WAIT_POLL, WAIT_EPOLL };

struct waiter {
    enum waiting way;
    void *socket;
    int epoll;
};

struct waiter waiter_for(void *socket);
int waiter_recv(struct waiter *waiter, void *buffer, size_t size);
void waiter_end(struct waiter *waiter);

/* The sub-commands. */
side throughput, pauses, raw_copy, round_trip, raw_round_trip, publish, topics, fan_in, set_up, poll_many, proxy, idle_sockets,
  idle_connections, line_between_processors, which_library;

#endif
