/* RADIO and DISH: groups over every transport that carries streams, and what they are on the wire (RFC 48). */
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "check.h"

/* Until the radio knows what its peers have joined: a message to `group` arrives. */
static void settle(void *radio, void *dish, const char *group)
{
    set_option(dish, ZMQ_RCVTIMEO, 20);
    char buffer[16];
    for (int tries = 0; tries < 500; ++tries) {
        say_to_group(radio, group, "settle");
        if (zmq_recv(dish, buffer, sizeof buffer, 0) >= 0) {
            while (zmq_recv(dish, buffer, sizeof buffer, 0) >= 0)
                ;
            set_option(dish, ZMQ_RCVTIMEO, PATIENCE_MS);
            return;
        }
    }
    CHECK(!"joined");
}

static void over(const char *endpoint, int dish_binds)
{
    void *context = zmq_ctx_new();
    void *radio = new_socket(context, ZMQ_RADIO), *dish = new_socket(context, ZMQ_DISH);
    CHECK(zmq_join(dish, "early") == 0);
    FAILS(zmq_join(dish, "early"), EINVAL);
    FAILS(zmq_leave(dish, "never"), EINVAL);
    FAILS(zmq_join(radio, "x"), ENOTSUP);
    const char *address = bound(dish_binds ? dish : radio, endpoint);
    CHECK(zmq_connect(dish_binds ? radio : dish, address) == 0);
    settle(radio, dish, "early");
    CHECK(zmq_join(dish, "late") == 0);
    settle(radio, dish, "late");
    say_to_group(radio, "earl", "nobody");
    say_to_group(radio, "early", "1");
    say_to_group(radio, "late", "");
    expect_in_group(dish, "early", "1");
    expect_in_group(dish, "late", "");
    CHECK(zmq_leave(dish, "early") == 0);
    say_to_group(radio, "early", "2");
    say_to_group(radio, "late", "3");
    expect_in_group(dish, "late", "3");
    expect_nothing(dish);
    void *sockets[] = {radio, dish};
    finish(context, sockets, 2);
}

static void read_all(int fd, void *to, size_t size)
{
    for (size_t have = 0; have < size;) {
        ssize_t n = read(fd, (char *) to + have, size - have);
        CHECK(n > 0);
        have += (size_t) n;
    }
}

static void write_all(int fd, const void *from, size_t size)
{
    CHECK(write(fd, from, size) == (ssize_t) size);
}

static void read_frame(int fd, const char *bytes, size_t size)
{
    char have[64];
    read_all(fd, have, size);
    CHECK(memcmp(have, bytes, size) == 0);
}

/* Greeting and READY of ZMTP 3.1 with NULL, by hand. */
static int by_hand(const char *address, const char *type)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((uint16_t) atoi(strrchr(address, ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval patience = {PATIENCE_MS / 1000, 0};
    CHECK(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    CHECK(connect(fd, (struct sockaddr *) &to, sizeof to) == 0);
    unsigned char greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1, 'N', 'U', 'L', 'L'};
    write_all(fd, greeting, sizeof greeting);
    char ready[64];
    size_t size = 0, length = strlen(type);
    memcpy(ready + 2, "\5READY\13Socket-Type\0\0\0", 21);
    size = 2 + 6 + 12 + 3;
    ready[size++] = (char) length;
    memcpy(ready + size, type, length);
    size += length;
    ready[0] = 4;
    ready[1] = (char) (size - 2);
    write_all(fd, ready, size);
    unsigned char theirs[64], header[2];
    read_all(fd, theirs, sizeof theirs);
    read_all(fd, header, sizeof header);
    CHECK(header[0] == 4);
    char body[256];
    read_all(fd, body, header[1]);
    CHECK(memcmp(body, "\5READY", 6) == 0);
    return fd;
}

/* Until the other side has said something: a socket takes new connections in when it is called. */
static void await(int fd, void *socket)
{
    struct pollfd item = {.fd = fd, .events = POLLIN};
    for (int tries = 0; tries < 500 && poll(&item, 1, 20) == 0; ++tries) {
        int events;
        size_t size = sizeof events;
        CHECK(zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) == 0);
    }
}

static void on_the_wire(void)
{
    void *context = zmq_ctx_new();
    void *dish = new_socket(context, ZMQ_DISH), *radio = new_socket(context, ZMQ_RADIO);
    CHECK(zmq_join(dish, "first") == 0);
    int fd = by_hand(bound(dish, "tcp://127.0.0.1:*"), "RADIO");
    await(fd, dish);
    read_frame(fd, "\4\12\4JOINfirst", 12);
    CHECK(zmq_leave(dish, "first") == 0);
    read_frame(fd, "\4\13\5LEAVEfirst", 13);
    CHECK(zmq_join(dish, "g") == 0);
    read_frame(fd, "\4\6\4JOINg", 8);
    write_all(fd, "\1\5other\0\1x" "\1\1g\0\4body", 19);
    expect_in_group(dish, "g", "body");
    close(fd);

    fd = by_hand(bound(radio, "tcp://127.0.0.1:*"), "DISH");
    write_all(fd, "\4\6\4JOINg", 8);
    struct pollfd item = {.fd = fd, .events = POLLIN};
    for (int tries = 0; tries < 500 && poll(&item, 1, 20) == 0; ++tries)
        say_to_group(radio, "g", "body");
    read_frame(fd, "\1\1g\0\4body", 9);
    close(fd);
    void *sockets[] = {dish, radio};
    finish(context, sockets, 2);
}

int main(void)
{
    for (int dish_binds = 0; dish_binds < 2; ++dish_binds) {
        over("tcp://127.0.0.1:*", dish_binds);
        over("ipc://*", dish_binds);
        over("inproc://groups", dish_binds);
    }
    on_the_wire();
    return 0;
}
