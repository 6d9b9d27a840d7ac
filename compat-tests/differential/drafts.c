// The draft API, but for its pollers.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interpreter.h"

// Routing ids that a program has got to know: by zmq_connect_peer, for each socket, and from the last message asked.
static uint32_t routes[SOCKETS];
static uint32_t last_route;

void forget_routes(void)
{
    memset(routes, 0, sizeof routes);
    last_route = 0;
}

static void call_join(void)
{
    size_t size;
    char *group = (char *) bytes(2, &size);
    say_rc(zmq_join(sock(1), group));
    free(group);
}

static void call_leave(void)
{
    size_t size;
    char *group = (char *) bytes(2, &size);
    say_rc(zmq_leave(sock(1), group));
    free(group);
}

static void call_connect_peer(void)
{
    int at = slot(1, SOCKETS);
    char *address = endpoint(2);
    uint32_t route = zmq_connect_peer(sock(1), address);
    said_endpoint(route ? (long) route : -1, address);
    if (route && at >= 0)
        routes[at] = route;
    free(address);
}

// A number, the last one that was asked for, or what zmq_connect_peer gave for a socket.
static uint32_t route(int index)
{
    int at = slot(index, SOCKETS);
    if (*words[index] == 'l')
        return last_route;
    return *words[index] == 's' ? at < 0 ? 0 : routes[at] : (uint32_t) number(index);
}

static void call_msg_set_routing_id(void)
{
    zmq_msg_t *place = message(1);
    if (place && word_count > 2)
        say_rc(zmq_msg_set_routing_id(place, route(2)));
}

static void call_msg_routing_id(void)
{
    zmq_msg_t *place = message(1);
    if (!place)
        return;
    uint32_t found = zmq_msg_routing_id(place);
    if (found)
        last_route = found;
    printf(" %u", found);
}

static void call_msg_set_group(void)
{
    size_t size;
    zmq_msg_t *place = message(1);
    char *group = (char *) bytes(2, &size);
    if (place && group)
        say_rc(zmq_msg_set_group(place, group));
    free(group);
}

static void call_msg_group(void)
{
    zmq_msg_t *place = message(1);
    const char *group = place ? zmq_msg_group(place) : "none";
    if (group)
        say_bytes(group, strlen(group));
    else
        printf(" NULL");
}

static void call_msg_init_buffer(void)
{
    size_t size;
    zmq_msg_t *place = fresh(1);
    unsigned char *data = bytes(2, &size);
    if (place)
        say_rc(zmq_msg_init_buffer(place, data, size));
    free(data);
}

static void call_ctx_set_ext(void)
{
    size_t size;
    unsigned char *value = bytes(3, &size);
    say_rc(zmq_ctx_set_ext(context(1), (int) number(2), value, size));
    free(value);
}

static void call_ctx_get_ext(void)
{
    size_t size = (size_t) number(3), room = size;
    unsigned char *value = malloc(room + 1);
    memset(value, 0xaa, room + 1);
    int rc = zmq_ctx_get_ext(context(1), (int) number(2), value, &size);
    say_rc(rc);
    printf(" %zu", size);
    if (rc == 0 && size <= room)
        say_bytes(value, size);
    free(value);
}

static void call_monitor_versioned(void)
{
    char *address = endpoint(2);
    int type = (int) number(5);
    int rc = zmq_socket_monitor_versioned(sock(1), address, (uint64_t) number(3), (int) number(4), type);
    say_rc(rc);
    if (rc == 0)
        read_events(slot(1, SOCKETS), address, type == ZMQ_PUB ? ZMQ_SUB : type == ZMQ_PUSH ? ZMQ_PULL : ZMQ_PAIR);
    free(address);
}

static void call_pipes_stats(void)
{
    say_rc(zmq_socket_monitor_pipes_stats(sock(1)));
}

// Events of the second version: number, how many values, the values, and both ends.
static void call_events2(void)
{
    int at = slot(1, SOCKETS);
    if (at < 0 || !monitors[at])
        return;
    for (;;) {
        char frame[1024];
        int more = 1, count = 0, values = 0;
        int size = zmq_recv(monitors[at], frame, sizeof frame - 1, ZMQ_DONTWAIT);
        if (size < 0)
            break;
        putchar(' ');
        while (more) {
            uint64_t value = 0;
            size_t length = sizeof more;
            frame[size] = 0;
            memcpy(&value, frame, size < 8 ? (size_t) size : sizeof value);
            if (count < 2 || count < 2 + values)
                printf("%s%llu", count ? ":" : "", (unsigned long long) value);
            else
                printf("|%s", frame);
            if (count == 1)
                values = (int) value;
            zmq_getsockopt(monitors[at], ZMQ_RCVMORE, &more, &length);
            ++count;
            if (more && (size = zmq_recv(monitors[at], frame, sizeof frame - 1, ZMQ_DONTWAIT)) < 0)
                break;
        }
    }
}

static void call_peer_state(void)
{
    size_t size;
    unsigned char *id = bytes(2, &size);
    say_rc(zmq_socket_get_peer_state(sock(1), id, size));
    free(id);
}

const struct call draft_calls[] = {
    {"join", call_join, 1},
    {"leave", call_leave, 1},
    {"connect_peer", call_connect_peer, 1},
    {"msg_set_routing_id", call_msg_set_routing_id, 0},
    {"msg_routing_id", call_msg_routing_id, 0},
    {"msg_set_group", call_msg_set_group, 0},
    {"msg_group", call_msg_group, 0},
    {"msg_init_buffer", call_msg_init_buffer, 0},
    {"ctx_set_ext", call_ctx_set_ext, 0},
    {"ctx_get_ext", call_ctx_get_ext, 0},
    {"monitor_versioned", call_monitor_versioned, 1},
    {"pipes_stats", call_pipes_stats, 1},
    {"events2", call_events2, 0},
    {"peer_state", call_peer_state, 0},
    {NULL, NULL, 0},
};
