/* What the programs here share: checks that end the program, and sockets that do not wait for ever. */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define PATIENCE_MS 10000
#define QUIET_MS 200

#define CHECK_AT(line, condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "line %d: %s (errno: %s)\n", line, #condition, zmq_strerror(zmq_errno())); \
            exit(1); \
        } \
    } while (0)
#define CHECK(condition) CHECK_AT(__LINE__, condition)

#define FAILS(call, code) CHECK((call) == -1 && zmq_errno() == (code))

static inline void *new_socket(void *context, int type)
{
    int patience = PATIENCE_MS, none = 0;
    void *socket = zmq_socket(context, type);
    CHECK(socket);
    CHECK(zmq_setsockopt(socket, ZMQ_RCVTIMEO, &patience, sizeof patience) == 0);
    CHECK(zmq_setsockopt(socket, ZMQ_SNDTIMEO, &patience, sizeof patience) == 0);
    CHECK(zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none) == 0);
    return socket;
}

/* Binds, and says where. */
static inline const char *bound(void *socket, const char *endpoint)
{
    static char last[256];
    size_t size = sizeof last;
    CHECK(zmq_bind(socket, endpoint) == 0);
    CHECK(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, last, &size) == 0);
    return last;
}

static inline void set_option(void *socket, int option, int value)
{
    CHECK(zmq_setsockopt(socket, option, &value, sizeof value) == 0);
}

static inline void expect_at(int line, void *socket, const char *text)
{
    char buffer[256];
    int size = zmq_recv(socket, buffer, sizeof buffer, 0);
    CHECK_AT(line, size == (int) strlen(text));
    CHECK_AT(line, memcmp(buffer, text, (size_t) size) == 0);
}
#define expect(socket, text) expect_at(__LINE__, socket, text)

static inline void expect_nothing(void *socket)
{
    char buffer[1];
    set_option(socket, ZMQ_RCVTIMEO, QUIET_MS);
    FAILS(zmq_recv(socket, buffer, sizeof buffer, 0), EAGAIN);
    set_option(socket, ZMQ_RCVTIMEO, PATIENCE_MS);
}

static inline void say(void *socket, const char *text)
{
    CHECK(zmq_send(socket, text, strlen(text), 0) == (int) strlen(text));
}

/* As `expect`, with the routing id of the peer. */
static inline uint32_t expect_from(void *socket, const char *text)
{
    zmq_msg_t message;
    CHECK(zmq_msg_init(&message) == 0);
    CHECK(zmq_msg_recv(&message, socket, 0) == (int) strlen(text));
    CHECK(memcmp(zmq_msg_data(&message), text, strlen(text)) == 0);
    uint32_t routing_id = zmq_msg_routing_id(&message);
    CHECK(zmq_msg_close(&message) == 0);
    return routing_id;
}

/* Sends to the peer with a routing id; 0, or -1 as zmq_msg_send() does. */
static inline int say_to(void *socket, uint32_t routing_id, const char *text)
{
    zmq_msg_t message;
    CHECK(zmq_msg_init_buffer(&message, text, strlen(text)) == 0);
    CHECK(zmq_msg_set_routing_id(&message, routing_id) == 0);
    if (zmq_msg_send(&message, socket, 0) >= 0)
        return 0;
    int error = zmq_errno();
    CHECK(zmq_msg_close(&message) == 0);
    errno = error;
    return -1;
}

/* Sends to a group. */
static inline void say_to_group(void *socket, const char *group, const char *text)
{
    zmq_msg_t message;
    CHECK(zmq_msg_init_buffer(&message, text, strlen(text)) == 0);
    CHECK(zmq_msg_set_group(&message, group) == 0);
    CHECK(zmq_msg_send(&message, socket, 0) == (int) strlen(text));
}

static inline void expect_in_group(void *socket, const char *group, const char *text)
{
    zmq_msg_t message;
    CHECK(zmq_msg_init(&message) == 0);
    CHECK(zmq_msg_recv(&message, socket, 0) == (int) strlen(text));
    CHECK(memcmp(zmq_msg_data(&message), text, strlen(text)) == 0);
    CHECK(strcmp(zmq_msg_group(&message), group) == 0);
    CHECK(!zmq_msg_more(&message));
    CHECK(zmq_msg_close(&message) == 0);
}

static inline void finish(void *context, void **sockets, size_t count)
{
    while (count-- > 0)
        CHECK(zmq_close(sockets[count]) == 0);
    CHECK(zmq_ctx_term(context) == 0);
}

#endif
