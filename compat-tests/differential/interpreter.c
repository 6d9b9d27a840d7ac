// Reads calls of the ZeroMQ API on standard input, one a line, makes them and prints what each gave.
//
//     interpreter MICROSECONDS < script
//
// A sequence starts with `begin NAME` and ends with `end`, which closes all that is left of it. Things are named by
// slots: c0 a context, s0 a socket, m0 a message; c-, s- and m- are NULL. Bytes are written x6162, NULL is `-`. An
// endpoint is bytes, or @3: what socket s3 is bound to.
//
// What I/O threads do in the background is given time: before every call all sockets look at their commands, and
// after calls that other threads finish, the program sleeps for so many microseconds as its argument says.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "interpreter.h"

void *contexts[CONTEXTS];
void *sockets[SOCKETS];
int context_of[SOCKETS];
void *monitors[SOCKETS];
static zmq_msg_t messages[MESSAGES];
static int message_live[MESSAGES];
static int freed;
static int settle_us;
static int background; // whether something of this sequence goes over the network
char *words[WORDS];
int word_count;
static unsigned char scratch[BUFFER];

long number(int index)
{
    return index < word_count ? strtol(words[index], NULL, 0) : 0;
}

int slot(int index, int limit)
{
    const char *word = index < word_count ? words[index] : "-";
    int value = *word == '-' || word[1] == '-' ? -1 : atoi(word + 1);
    return value < limit ? value : -1;
}

void *context(int index)
{
    int at = slot(index, CONTEXTS);
    return at < 0 ? NULL : contexts[at];
}

void *sock(int index)
{
    int at = slot(index, SOCKETS);
    return at < 0 ? NULL : sockets[at];
}

// The bytes of a word, NUL-terminated, in memory of their own; `NULL` for `-`.
unsigned char *bytes(int index, size_t *size)
{
    const char *word = index < word_count ? words[index] : "-";
    *size = 0;
    if (*word == '-')
        return NULL;
    *size = strlen(word + 1) / 2;
    unsigned char *result = malloc(*size + 1);
    for (size_t i = 0; i < *size; ++i) {
        unsigned value;
        sscanf(word + 1 + 2 * i, "%2x", &value);
        result[i] = (unsigned char) value;
    }
    result[*size] = 0;
    return result;
}

char *endpoint(int index)
{
    size_t size;
    if (index < word_count && words[index][0] == '@') {
        char *result = calloc(1, 1024);
        int at = atoi(words[index] + 1);
        size = 1023;
        if (at >= SOCKETS || !sockets[at] || zmq_getsockopt(sockets[at], ZMQ_LAST_ENDPOINT, result, &size) != 0
            || !*result)
            strcpy(result, "inproc://nowhere");
        return result;
    }
    return (char *) bytes(index, &size);
}

void say_bytes(const void *data, size_t size)
{
    putchar(' ');
    putchar('x');
    // Long ones are told by their length, a sum and their ends.
    if (size > 600) {
        unsigned sum = 0;
        for (size_t i = 0; i < size; ++i)
            sum = sum * 31 + ((const unsigned char *) data)[i];
        printf("[%zu:%08x]", size, sum);
        return;
    }
    for (size_t i = 0; i < size; ++i)
        printf("%02x", ((const unsigned char *) data)[i]);
}

void say_rc(long rc)
{
    if (rc < 0)
        printf(" -1 %d", zmq_errno());
    else
        printf(" %ld", rc);
}

static void look(void)
{
    for (int round = 0; round < 3; ++round)
        for (int at = 0; at < SOCKETS; ++at)
            if (sockets[at]) {
                int events;
                size_t size = sizeof events;
                zmq_getsockopt(sockets[at], ZMQ_EVENTS, &events, &size);
            }
}

// Twice: what a socket learns when it looks may be an answer that the I/O thread waits for.
static void settle(void)
{
    for (int half = 0; half < 2; ++half) {
        usleep((useconds_t) settle_us / 2);
        look();
    }
}

// DONTWAIT for a call that would wait longer than a test can.
static int patient(void *socket, int option, int flags)
{
    int timeout = 0;
    size_t size = sizeof timeout;
    if (socket && zmq_getsockopt(socket, option, &timeout, &size) == 0 && (timeout < 0 || timeout > 20))
        flags |= ZMQ_DONTWAIT;
    return flags;
}

// ---- contexts

static void call_ctx_new(void)
{
    int at = slot(1, CONTEXTS);
    if (at >= 0 && !contexts[at])
        contexts[at] = zmq_ctx_new();
    printf(" %d", at >= 0 && contexts[at] != NULL);
}

static void call_init(void)
{
    int at = slot(1, CONTEXTS);
    if (at < 0 || contexts[at])
        return;
    contexts[at] = zmq_init((int) number(2));
    if (!contexts[at])
        say_rc(-1);
    else
        printf(" ok");
}

static void call_ctx_set(void)
{
    say_rc(zmq_ctx_set(context(1), (int) number(2), (int) number(3)));
}

static void call_ctx_get(void)
{
    // -1 is an error or a value: errno tells.
    errno = 0;
    int rc = zmq_ctx_get(context(1), (int) number(2));
    printf(" %d %d", rc, rc < 0 ? zmq_errno() : 0);
}

static void call_ctx_shutdown(void)
{
    say_rc(zmq_ctx_shutdown(context(1)));
}

static int close_socket(int at)
{
    int linger = 0, rc;
    size_t size = sizeof linger;
#ifdef ZMQ_BUILD_DRAFT_API
    leave_pollers(sockets[at]);
#endif
    if (monitors[at]) {
        zmq_socket_monitor(sockets[at], NULL, 0);
        drop_reader(at);
    }
    if (zmq_getsockopt(sockets[at], ZMQ_LINGER, &linger, &size) != 0 || linger < 0 || linger > 20) {
        linger = 0;
        zmq_setsockopt(sockets[at], ZMQ_LINGER, &linger, sizeof linger);
    }
    rc = zmq_close(sockets[at]);
    sockets[at] = NULL;
    return rc;
}

static void end_context(int at, int (*term)(void *))
{
    for (int other = 0; other < SOCKETS; ++other)
        if (sockets[other] && context_of[other] == at)
            close_socket(other);
    void *context = contexts[at];
    contexts[at] = NULL;
    say_rc(term(context));
}

static void call_ctx_term(void)
{
    int at = slot(1, CONTEXTS);
    if (at < 0 || !contexts[at])
        say_rc(zmq_ctx_term(NULL));
    else
        end_context(at, zmq_ctx_term);
}

static void call_ctx_destroy(void)
{
    int at = slot(1, CONTEXTS);
    if (at < 0 || !contexts[at])
        say_rc(zmq_ctx_destroy(NULL));
    else
        end_context(at, zmq_ctx_destroy);
}

// ---- sockets and options

static void call_socket(void)
{
    int at = slot(1, SOCKETS);
    if (at < 0 || sockets[at])
        return;
    sockets[at] = zmq_socket(context(2), (int) number(3));
    context_of[at] = slot(2, CONTEXTS);
    if (!sockets[at])
        say_rc(-1);
    else
        printf(" ok");
}

static void call_close(void)
{
    int at = slot(1, SOCKETS);
    say_rc(at < 0 || !sockets[at] ? zmq_close(NULL) : close_socket(at));
    settle();
}

static void call_setsockopt(void)
{
    size_t size;
    unsigned char *value = bytes(3, &size);
    say_rc(zmq_setsockopt(sock(1), (int) number(2), value, size));
    free(value);
}

static void call_getsockopt(void)
{
    size_t size = (size_t) number(3), room = size;
    unsigned char *value = malloc(room + 1);
    memset(value, 0xaa, room + 1);
    int rc = zmq_getsockopt(sock(1), (int) number(2), value, &size);
    say_rc(rc);
    printf(" %zu", size);
    if (rc == 0 && size <= room)
        say_bytes(value, size);
    free(value);
}

// ---- endpoints

void said_endpoint(long rc, const char *address)
{
    say_rc(rc);
    if (rc >= 0 && strncmp(address, "inproc", 6) != 0)
        background = 1;
}

static void with_endpoint(int (*function)(void *, const char *))
{
    char *address = endpoint(2);
    said_endpoint(function(sock(1), address), address);
    free(address);
}

static void call_bind(void)
{
    with_endpoint(zmq_bind);
}

static void call_connect(void)
{
    with_endpoint(zmq_connect);
}

static void call_unbind(void)
{
    with_endpoint(zmq_unbind);
}

static void call_disconnect(void)
{
    with_endpoint(zmq_disconnect);
}

void drop_reader(int at)
{
    int zero = 0;
    if (!monitors[at])
        return;
    zmq_setsockopt(monitors[at], ZMQ_LINGER, &zero, sizeof zero);
    zmq_close(monitors[at]);
    monitors[at] = NULL;
}

void read_events(int at, const char *address, int type)
{
    if (at < 0 || !sockets[at] || context_of[at] < 0)
        return;
    drop_reader(at);
    monitors[at] = address ? zmq_socket(contexts[context_of[at]], type) : NULL;
    if (!monitors[at])
        return;
    if (type == ZMQ_SUB)
        zmq_setsockopt(monitors[at], ZMQ_SUBSCRIBE, "", 0);
    zmq_connect(monitors[at], address);
}

static void call_monitor(void)
{
    char *address = endpoint(2);
    int rc = zmq_socket_monitor(sock(1), address, (int) number(3));
    say_rc(rc);
    if (rc == 0)
        read_events(slot(1, SOCKETS), address, ZMQ_PAIR);
    free(address);
}

// What a monitor has told so far, an event as number:value:endpoint.
static void call_events(void)
{
    int at = slot(1, SOCKETS);
    if (at < 0 || !monitors[at])
        return;
    for (;;) {
        unsigned char head[16];
        char address[1024];
        int size = zmq_recv(monitors[at], head, sizeof head, ZMQ_DONTWAIT);
        if (size < 0)
            break;
        unsigned short event;
        int value;
        memcpy(&event, head, sizeof event);
        memcpy(&value, head + 2, sizeof value);
        size = zmq_recv(monitors[at], address, sizeof address - 1, ZMQ_DONTWAIT);
        address[size < 0 ? 0 : size] = 0;
        printf(" %d:%d:%s", event, value, address);
    }
}

// ---- sending and receiving

static void call_send(void)
{
    size_t size;
    void *socket = sock(1);
    unsigned char *data = bytes(2, &size);
    say_rc(zmq_send(socket, data, size, patient(socket, ZMQ_SNDTIMEO, (int) number(3))));
    free(data);
}

static void call_send_const(void)
{
    static const char data[] = "constant data that stays where it is, more than fits a small message";
    void *socket = sock(1);
    size_t size = (size_t) number(2);
    size = size < sizeof data ? size : sizeof data;
    say_rc(zmq_send_const(socket, data, size, patient(socket, ZMQ_SNDTIMEO, (int) number(3))));
}

static void call_recv(void)
{
    void *socket = sock(1);
    size_t room = (size_t) number(2);
    memset(scratch, 0xaa, 1024);
    int rc = zmq_recv(socket, room ? scratch : NULL, room, patient(socket, ZMQ_RCVTIMEO, (int) number(3)));
    say_rc(rc);
    if (rc >= 0)
        say_bytes(scratch, (size_t) rc < room ? (size_t) rc : room);
}

// The next frames of a message, all of them, as another socket's user would.
static void call_recv_all(void)
{
    void *socket = sock(1);
    int more = 1;
    for (int count = 0; more && count < 50; ++count) {
        size_t size = sizeof more;
        int rc = zmq_recv(socket, scratch, sizeof scratch, ZMQ_DONTWAIT);
        say_rc(rc);
        if (rc < 0)
            break;
        say_bytes(scratch, (size_t) rc);
        if (zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) != 0)
            break;
    }
}

// Receives a message and sends it back where it came from.
static void call_echo(void)
{
    void *socket = sock(1);
    int more = 1;
    for (int count = 0; more && count < 50; ++count) {
        zmq_msg_t message;
        zmq_msg_init(&message);
        int rc = zmq_msg_recv(&message, socket, ZMQ_DONTWAIT);
        say_rc(rc);
        if (rc < 0) {
            zmq_msg_close(&message);
            break;
        }
        more = zmq_msg_more(&message);
        rc = zmq_msg_send(&message, socket, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
        say_rc(rc);
        if (rc < 0)
            zmq_msg_close(&message);
    }
}

static void call_sendiov(void)
{
    struct iovec parts[8];
    void *socket = sock(1);
    size_t count = (size_t) number(2);
    for (size_t i = 0; i < 8; ++i) {
        parts[i].iov_base = scratch + 8 * i;
        parts[i].iov_len = 3 + i;
    }
    memset(scratch, 'v', 128);
    say_rc(zmq_sendiov(socket, count > 8 ? NULL : parts, count, patient(socket, ZMQ_SNDTIMEO, (int) number(3))));
}

static void call_recviov(void)
{
    struct iovec parts[8];
    void *socket = sock(1);
    size_t count = (size_t) number(2);
    memset(parts, 0, sizeof parts);
    int rc = zmq_recviov(socket, parts, &count, ZMQ_DONTWAIT);
    say_rc(rc);
    printf(" %zu", count);
    for (size_t i = 0; i < count && rc >= 0; ++i) {
        say_bytes(parts[i].iov_base, parts[i].iov_len);
        free(parts[i].iov_base);
    }
}

// ---- messages

static void free_data(void *data, void *hint)
{
    (void) hint;
    ++freed;
    free(data);
}

zmq_msg_t *message(int index)
{
    int at = slot(index, MESSAGES);
    if (at < 0)
        return NULL;
    if (!message_live[at]) {
        zmq_msg_init(&messages[at]);
        message_live[at] = 1;
    }
    return &messages[at];
}

// A slot for a fresh message; what it held is closed first.
zmq_msg_t *fresh(int index)
{
    zmq_msg_t *place = message(index);
    if (place)
        zmq_msg_close(place);
    return place;
}

static void call_msg_init(void)
{
    zmq_msg_t *place = fresh(1);
    if (place)
        say_rc(zmq_msg_init(place));
}

static void call_msg_init_size(void)
{
    zmq_msg_t *place = fresh(1);
    if (!place)
        return;
    size_t size = (size_t) number(2);
    say_rc(zmq_msg_init_size(place, size));
    memset(zmq_msg_data(place), 'm', size);
}

static void call_msg_init_data(void)
{
    zmq_msg_t *place = fresh(1);
    if (!place)
        return;
    size_t size = (size_t) number(2);
    void *data = calloc(1, size + 1);
    say_rc(zmq_msg_init_data(place, data, size, free_data, NULL));
}

static void call_msg_close(void)
{
    int at = slot(1, MESSAGES);
    if (at < 0)
        return;
    say_rc(zmq_msg_close(message(1)));
    message_live[at] = 0;
}

static void call_msg_move(void)
{
    say_rc(zmq_msg_move(message(1), message(2)));
}

static void call_msg_copy(void)
{
    say_rc(zmq_msg_copy(message(1), message(2)));
}

static void call_msg_look(void)
{
    zmq_msg_t *place = message(1);
    if (!place)
        return;
    printf(" %zu %d", zmq_msg_size(place), zmq_msg_more(place));
    say_bytes(zmq_msg_data(place), zmq_msg_size(place));
}

static void call_msg_get(void)
{
    zmq_msg_t *place = message(1);
    if (place)
        say_rc(zmq_msg_get(place, (int) number(2)));
}

static void call_msg_set(void)
{
    zmq_msg_t *place = message(1);
    if (place)
        say_rc(zmq_msg_set(place, (int) number(2), (int) number(3)));
}

static void call_msg_gets(void)
{
    size_t size;
    zmq_msg_t *place = message(1);
    char *property = (char *) bytes(2, &size);
    const char *value = place && property ? zmq_msg_gets(place, property) : "";
    if (value)
        printf(" %s", value);
    else
        say_rc(-1);
    free(property);
}

static void call_msg_send(void)
{
    void *socket = sock(2);
    zmq_msg_t *place = message(1);
    if (place)
        say_rc(zmq_msg_send(place, socket, patient(socket, ZMQ_SNDTIMEO, (int) number(3))));
}

static void call_sendmsg(void)
{
    void *socket = sock(1);
    zmq_msg_t *place = message(2);
    if (place)
        say_rc(zmq_sendmsg(socket, place, patient(socket, ZMQ_SNDTIMEO, (int) number(3))));
}

static void call_msg_recv(void)
{
    void *socket = sock(2);
    zmq_msg_t *place = message(1);
    if (place)
        say_rc(zmq_msg_recv(place, socket, patient(socket, ZMQ_RCVTIMEO, (int) number(3))));
}

static void call_freed(void)
{
    printf(" %d", freed);
}

// ---- all else

static void call_z85_encode(void)
{
    size_t size;
    char text[600] = "";
    unsigned char *data = bytes(1, &size);
    char *result = zmq_z85_encode(text, data, size);
    if (result)
        printf(" %s", text);
    else
        say_rc(-1);
    free(data);
}

static void call_z85_decode(void)
{
    size_t size;
    unsigned char data[600] = "";
    char *text = (char *) bytes(1, &size);
    if (zmq_z85_decode(data, text))
        say_bytes(data, size / 5 * 4);
    else
        say_rc(-1);
    free(text);
}

static void call_curve_public(void)
{
    size_t size;
    char key[41] = "";
    char *secret = (char *) bytes(1, &size);
    int rc = zmq_curve_public(key, secret);
    say_rc(rc);
    if (rc == 0)
        printf(" %s", key);
    free(secret);
}

static void call_has(void)
{
    size_t size;
    char *name = (char *) bytes(1, &size);
    printf(" %d", zmq_has(name));
    free(name);
}

static void call_strerror(void)
{
    printf(" %s", zmq_strerror((int) number(1)));
}

// ---- sequences

static void begin(const char *name)
{
    printf("# %s\n", name);
    alarm(HANG_S);
    freed = 0;
    background = 0;
}

static void end(void)
{
#ifdef ZMQ_BUILD_DRAFT_API
    destroy_pollers();
    forget_routes();
#endif
    for (int at = 0; at < MESSAGES; ++at)
        if (message_live[at]) {
            zmq_msg_close(&messages[at]);
            message_live[at] = 0;
        }
    for (int at = 0; at < CONTEXTS; ++at)
        if (contexts[at])
            end_context(at, zmq_ctx_term);
    close_descriptors();
    printf(" %d\n", freed);
}

static const struct call plain_calls[] = {
    {"send", call_send, 1},
    {"recv", call_recv, 1},
    {"recv_all", call_recv_all, 1},
    {"echo", call_echo, 1},
    {"setsockopt", call_setsockopt, 1},
    {"getsockopt", call_getsockopt, 0},
    {"ctx_new", call_ctx_new, 0},
    {"init", call_init, 0},
    {"ctx_set", call_ctx_set, 0},
    {"ctx_get", call_ctx_get, 0},
    {"ctx_shutdown", call_ctx_shutdown, 1},
    {"ctx_term", call_ctx_term, 0},
    {"ctx_destroy", call_ctx_destroy, 0},
    {"socket", call_socket, 0},
    {"close", call_close, 0},
    {"bind", call_bind, 1},
    {"connect", call_connect, 1},
    {"unbind", call_unbind, 1},
    {"disconnect", call_disconnect, 1},
    {"monitor", call_monitor, 1},
    {"events", call_events, 0},
    {"send_const", call_send_const, 1},
    {"sendiov", call_sendiov, 1},
    {"recviov", call_recviov, 1},
    {"msg_init", call_msg_init, 0},
    {"msg_init_size", call_msg_init_size, 0},
    {"msg_init_data", call_msg_init_data, 0},
    {"msg_close", call_msg_close, 0},
    {"msg_move", call_msg_move, 0},
    {"msg_copy", call_msg_copy, 0},
    {"msg_look", call_msg_look, 0},
    {"msg_get", call_msg_get, 0},
    {"msg_set", call_msg_set, 0},
    {"msg_gets", call_msg_gets, 0},
    {"msg_send", call_msg_send, 1},
    {"sendmsg", call_sendmsg, 1},
    {"msg_recv", call_msg_recv, 1},
    {"freed", call_freed, 0},
    {"z85_encode", call_z85_encode, 0},
    {"z85_decode", call_z85_decode, 0},
    {"curve_public", call_curve_public, 0},
    {"has", call_has, 0},
    {"strerror", call_strerror, 0},
    {NULL, NULL, 0},
};

static const struct call *tables[] = {
    plain_calls,
    polling_calls,
#ifdef ZMQ_BUILD_DRAFT_API
    draft_calls,
    poller_calls,
#endif
};

static void one(const char *name)
{
    for (size_t table = 0; table < sizeof tables / sizeof *tables; ++table)
        for (const struct call *call = tables[table]; call->name; ++call)
            if (strcmp(name, call->name) == 0) {
                look();
                call->make();
                putchar('\n');
                if (background && call->background)
                    settle();
                return;
            }
    printf(" unknown call\n");
}

int main(int argc, char **argv)
{
    static char line[200000], output[65536];
    settle_us = argc > 1 ? atoi(argv[1]) : 1000;
    setvbuf(stdout, output, _IOLBF, sizeof output);
    while (fgets(line, sizeof line, stdin)) {
        word_count = 0;
        for (char *word = strtok(line, " \n"); word && word_count < WORDS; word = strtok(NULL, " \n"))
            words[word_count++] = word;
        if (word_count == 0)
            continue;
        if (strcmp(words[0], "begin") == 0)
            begin(words[1]);
        else if (strcmp(words[0], "end") == 0)
            end();
        else
            one(words[0]);
    }
    return 0;
}
