/* One path of the library, N times, for counting instructions: `counted PATH N`. What is done once costs the same
   for every N, so the difference between two runs is the path alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/sockios.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

enum { MOST = 8000, TOPICS = 10000, TOPIC = 30, POLLED = 100 };

static void *context;

static void check(int fine, const char *what)
{
    if (!fine) {
        fprintf(stderr, "counted: %s: %s\n", what, zmq_strerror(errno));
        exit(errno == ENOTSUP ? 3 : 1);
    }
}

/* Nothing may stand in the way: no high-water mark, no lingering. */
static void *open_socket(int type)
{
    int none = 0;
    void *socket = zmq_socket(context, type);
    check(socket != NULL, "zmq_socket");
    check(zmq_setsockopt(socket, ZMQ_SNDHWM, &none, sizeof none) == 0, "ZMQ_SNDHWM");
    check(zmq_setsockopt(socket, ZMQ_RCVHWM, &none, sizeof none) == 0, "ZMQ_RCVHWM");
    check(zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none) == 0, "ZMQ_LINGER");
    return socket;
}

static void join(void *binder, void *connecter, const char *endpoint)
{
    check(zmq_bind(binder, endpoint) == 0, "zmq_bind");
    check(zmq_connect(connecter, endpoint) == 0, "zmq_connect");
}

static void send_some(void *socket, size_t size, int parts, long count)
{
    static char data[65536];
    for (long i = 0; i < count; i++)
        for (int part = 1; part <= parts; part++)
            check(zmq_send(socket, data, size, part < parts ? ZMQ_SNDMORE : 0) == (int)size, "zmq_send");
}

static void recv_some(void *socket, size_t size, int parts, long count)
{
    static char data[65536];
    for (long i = 0; i < count * parts; i++)
        check(zmq_recv(socket, data, size, 0) == (int)size, "zmq_recv");
}

/* Either zmq_send is counted or, behind as many messages as ever are sent, zmq_recv. */
static void in_process(int sending, size_t size, int parts, long count)
{
    void *from = open_socket(ZMQ_PUSH), *to = open_socket(ZMQ_PULL);
    join(to, from, "inproc://a");
    send_some(from, size, parts, sending ? count : MOST);
    if (!sending)
        recv_some(to, size, parts, count);
    zmq_close(from);
    zmq_close(to);
}

static void in_process_msg(int sending, size_t size, long count)
{
    void *from = open_socket(ZMQ_PUSH), *to = open_socket(ZMQ_PULL);
    zmq_msg_t message;
    join(to, from, "inproc://a");
    for (long i = 0; i < (sending ? count : MOST); i++) {
        check(zmq_msg_init_size(&message, size) == 0, "zmq_msg_init_size");
        check(zmq_msg_send(&message, from, 0) == (int)size, "zmq_msg_send");
    }
    for (long i = 0; !sending && i < count; i++) {
        zmq_msg_init(&message);
        check(zmq_msg_recv(&message, to, 0) == (int)size, "zmq_msg_recv");
        zmq_msg_close(&message);
    }
    zmq_close(from);
    zmq_close(to);
}

/* Each message finds its reader asleep: the reader has looked for one and found none. Of this zmq_send alone is counted. */
static void send_idle(size_t size, long count)
{
    static char data[65536];
    void *from = open_socket(ZMQ_PUSH), *to = open_socket(ZMQ_PULL);
    join(to, from, "inproc://a");
    for (long i = 0; i < count; i++) {
        check(zmq_recv(to, data, size, ZMQ_DONTWAIT) == -1 && errno == EAGAIN, "zmq_recv of nothing");
        check(zmq_send(from, data, size, 0) == (int)size, "zmq_send");
        check(zmq_recv(to, data, size, 0) == (int)size, "zmq_recv");
    }
    zmq_close(from);
    zmq_close(to);
}

/* Sockets with a peer each, which has sent nothing. */
static void poll_idle(size_t size, long count)
{
    (void)size;
    zmq_pollitem_t items[POLLED];
    void *from = open_socket(ZMQ_PUSH);
    for (int i = 0; i < POLLED; i++) {
        char endpoint[20];
        snprintf(endpoint, sizeof endpoint, "inproc://%d", i);
        items[i] = (zmq_pollitem_t){.socket = open_socket(ZMQ_PULL), .events = ZMQ_POLLIN};
        join(items[i].socket, from, endpoint);
    }
    for (long i = 0; i < count; i++)
        check(zmq_poll(items, POLLED, 0) == 0, "zmq_poll");
    zmq_close(from);
    for (int i = 0; i < POLLED; i++)
        zmq_close(items[i].socket);
}

static void topic_of(long number, char topic[TOPIC + 1])
{
    snprintf(topic, TOPIC + 1, "%010lu-%019ld", (unsigned long)number * 2654435761ul % 10000000000ul, number);
}

enum { LAST_VALUE = 1174405168 }; /* ZMQ_FERRO_LAST_VALUE of zmq_ferro.h, which the other libraries do not have */

static char topics[TOPICS][TOPIC + 1];

/* What is counted of `match`: what comes before differs from run to run by more than this may. */
__attribute__((noinline)) static void publish_topics(void *from, void *to, int wanted, long count)
{
    for (long i = 0; i < count; i++) {
        check(zmq_send(from, topics[i * 31 % TOPICS], TOPIC, 0) == TOPIC, "zmq_send");
        if (wanted)
            recv_some(to, TOPIC, 1, 1);
    }
}

/* PUB among many topics: messages that nobody wants, or that somebody does. `last`: the publisher keeps the last message of each topic,
   and has one of each when the counting begins. */
static void match(int wanted, int last, long count)
{
    void *from = open_socket(ZMQ_PUB), *to = open_socket(ZMQ_SUB);
    int most = TOPICS;
    if (last)
        check(zmq_setsockopt(from, LAST_VALUE, &most, sizeof most) == 0, "ZMQ_FERRO_LAST_VALUE");
    join(from, to, "inproc://a");
    for (long i = 0; i < TOPICS; i++) {
        topic_of(i, topics[i]);
        check(zmq_setsockopt(to, ZMQ_SUBSCRIBE, topics[i], TOPIC) == 0, "ZMQ_SUBSCRIBE");
        if (!wanted)
            topics[i][TOPIC - 1] = 'x';
    }
    for (long i = 0; last && i < TOPICS; i++) {
        check(zmq_send(from, topics[i], TOPIC, 0) == TOPIC, "zmq_send");
        recv_some(to, TOPIC, 1, 1);
    }
    publish_topics(from, to, wanted, count);
    zmq_close(from);
    zmq_close(to);
}

/* A peer of the wire that is no part of the library. */
static const char GREETING[64] = {(char)0xff, [9] = 0x7f, 3, 0, 'N', 'U', 'L', 'L'};
static const char READY_PUSH[] = "\4\x1a\5READY\xbSocket-Type\0\0\0\4PUSH";
static const char READY_PULL[] = "\4\x1a\5READY\xbSocket-Type\0\0\0\4PULL";

static void write_all(int stream, const char *data, size_t size)
{
    for (ssize_t done = 0; size > 0; data += done, size -= (size_t)done) {
        done = write(stream, data, size);
        check(done > 0, "write");
    }
}

static void read_all(int stream, size_t size)
{
    static char data[1 << 20];
    for (ssize_t done = 0; size > 0; size -= (size_t)done) {
        done = read(stream, data, size < sizeof data ? size : sizeof data);
        check(done > 0, "read");
    }
}

static struct sockaddr_un address_of(socklen_t *size)
{
    /* An abstract name with the process in it: nothing to clean up, and no other run in the way. */
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "counted-%d", (int)getpid());
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
    return address;
}

static const char *endpoint(void)
{
    static char text[50];
    snprintf(text, sizeof text, "ipc://@counted-%d", (int)getpid());
    return text;
}

static void shake_hands(int stream, const char ready[28])
{
    char head[2];
    write_all(stream, GREETING, sizeof GREETING);
    read_all(stream, sizeof GREETING);
    write_all(stream, ready, 28);
    check(read(stream, head, 2) == 2, "read");
    read_all(stream, (unsigned char)head[1]);
}

/* Sends before there is a peer, so that the connection finds all of it at once: who runs when does not matter. */
static void encode(size_t size, long count)
{
    socklen_t length;
    struct sockaddr_un address = address_of(&length);
    void *from = open_socket(ZMQ_PUSH);
    check(zmq_connect(from, endpoint()) == 0, "zmq_connect");
    send_some(from, size, 1, count);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    check(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 1) == 0, "listen");
    int stream = accept(listener, NULL, NULL);
    shake_hands(stream, READY_PULL);
    read_all(stream, (size + (size < 256 ? 2 : 9)) * (size_t)count);
    close(stream);
    close(listener);
    zmq_close(from);
}

/* Receives nothing before all of it has left the system's buffer. */
static void decode(size_t size, long count)
{
    socklen_t length;
    struct sockaddr_un address = address_of(&length);
    void *to = open_socket(ZMQ_PULL);
    size_t framed = size + 2;
    char *wire = calloc((size_t)count, framed);
    for (long i = 0; i < count; i++)
        wire[framed * (size_t)i + 1] = (char)size;
    check(zmq_bind(to, endpoint()) == 0, "zmq_bind");
    int stream = socket(AF_UNIX, SOCK_STREAM, 0), waiting = 1;
    check(connect(stream, (struct sockaddr *)&address, length) == 0, "connect");
    shake_hands(stream, READY_PUSH);
    write_all(stream, wire, framed * (size_t)count);
    while (ioctl(stream, SIOCOUTQ, &waiting) == 0 && waiting > 0)
        usleep(1000);
    recv_some(to, size, 1, count);
    free(wire);
    close(stream);
    zmq_close(to);
}

enum { QZMQ_XWING = 1174437889 }; /* ZMQ_FERRO_XWING of zmq_ferro.h, which the other libraries do not have */

/* A key pair of both sides, as text in Z85. */
static char public_key[2048], secret[128];

static void make_curve_keys(void)
{
    check(zmq_curve_keypair(public_key, secret) == 0, "zmq_curve_keypair");
}

static void make_qzmq_keys(void)
{
    int (*make)(int, char *, size_t, char *, size_t) = dlsym(RTLD_DEFAULT, "zmq_ferro_keypair");
    errno = ENOTSUP;
    check(make != NULL && make(QZMQ_XWING, public_key, sizeof public_key, secret, sizeof secret) == 0,
          "zmq_ferro_keypair");
}

static void set_key(void *socket, int option, const char *key)
{
    check(zmq_setsockopt(socket, option, key, strlen(key)) == 0, "a key");
}

static void secure_server(void *socket)
{
    int on = 1;
    check(zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &on, sizeof on) == 0, "ZMQ_CURVE_SERVER");
    set_key(socket, ZMQ_CURVE_SECRETKEY, secret);
}

static void secure_client(void *socket)
{
    set_key(socket, ZMQ_CURVE_SERVERKEY, public_key);
    set_key(socket, ZMQ_CURVE_PUBLICKEY, public_key);
    set_key(socket, ZMQ_CURVE_SECRETKEY, secret);
}

/* Sealing at one end and opening at the other; again the messages are there before the connection is. */
static void seal_many(size_t size, long count)
{
    void *from = open_socket(ZMQ_PUSH), *to = open_socket(ZMQ_PULL);
    secure_server(to);
    secure_client(from);
    check(zmq_connect(from, endpoint()) == 0, "zmq_connect");
    send_some(from, size, 1, count);
    check(zmq_bind(to, endpoint()) == 0, "zmq_bind");
    recv_some(to, size, 1, count);
    zmq_close(from);
    zmq_close(to);
}

static void seal(size_t size, long count)
{
    make_curve_keys();
    seal_many(size, count);
}

static void seal_qzmq(size_t size, long count)
{
    make_qzmq_keys();
    seal_many(size, count);
}

/* Messages one after the other, each in a record of its own. */
static void seal_qzmq_alone(size_t size, long count)
{
    void *from = open_socket(ZMQ_PUSH), *to = open_socket(ZMQ_PULL);
    make_qzmq_keys();
    secure_server(to);
    secure_client(from);
    join(to, from, endpoint());
    for (long i = 0; i < count; i++) {
        send_some(from, size, 1, 1);
        recv_some(to, size, 1, 1);
    }
    zmq_close(from);
    zmq_close(to);
}

/* Connections one after the other, each with its handshake and a message. */
static void shake_hands_again(size_t size, long count)
{
    void *to = open_socket(ZMQ_PULL);
    secure_server(to);
    check(zmq_bind(to, endpoint()) == 0, "zmq_bind");
    for (long i = 0; i < count; i++) {
        void *from = open_socket(ZMQ_PUSH);
        secure_client(from);
        check(zmq_connect(from, endpoint()) == 0, "zmq_connect");
        send_some(from, size, 1, 1);
        recv_some(to, size, 1, 1);
        zmq_close(from);
    }
    zmq_close(to);
}

static void handshake(size_t size, long count)
{
    make_curve_keys();
    shake_hands_again(size, count);
}

static void handshake_qzmq(size_t size, long count)
{
    make_qzmq_keys();
    shake_hands_again(size, count);
}

static void send_frame(size_t size, long count)
{
    in_process(1, size, 1, count);
}

static void receive_frame(size_t size, long count)
{
    in_process(0, size, 1, count);
}

static void send_three(size_t size, long count)
{
    in_process(1, size, 3, count);
}

static void receive_three(size_t size, long count)
{
    in_process(0, size, 3, count);
}

static void send_msg(size_t size, long count)
{
    in_process_msg(1, size, count);
}

static void receive_msg(size_t size, long count)
{
    in_process_msg(0, size, count);
}

static void match_nobody(size_t size, long count)
{
    (void)size;
    match(0, 0, count);
}

static void match_somebody(size_t size, long count)
{
    (void)size;
    match(1, 0, count);
}

static void match_somebody_last(size_t size, long count)
{
    (void)size;
    match(1, 1, count);
}

static const struct {
    const char *name;
    void (*run)(size_t size, long count);
    size_t size;
} PATHS[] = {
    {"send-64", send_frame, 64},
    {"receive-64", receive_frame, 64},
    {"send-3x64", send_three, 64},
    {"receive-3x64", receive_three, 64},
    {"send-msg-64", send_msg, 64},
    {"receive-msg-64", receive_msg, 64},
    {"send-msg-16384", send_msg, 16384},
    {"receive-msg-16384", receive_msg, 16384},
    {"send-idle-64", send_idle, 64},
    {"poll-100", poll_idle, 0},
    {"encode-64", encode, 64},
    {"encode-1024", encode, 1024},
    {"decode-64", decode, 64},
    {"match-unwanted", match_nobody, TOPIC},
    {"match-wanted", match_somebody, TOPIC},
    {"match-wanted-last", match_somebody_last, TOPIC},
    {"seal-64", seal, 64},
    {"seal-1024", seal, 1024},
    {"handshake-curve", handshake, 64},
    {"seal-qzmq-64", seal_qzmq, 64},
    {"seal-qzmq-1024", seal_qzmq, 1024},
    {"seal-qzmq-alone-64", seal_qzmq_alone, 64},
    {"handshake-qzmq", handshake_qzmq, 64},
};

static int run(const char *path, long count)
{
    for (size_t i = 0; i < sizeof PATHS / sizeof PATHS[0]; i++)
        if (strcmp(path, PATHS[i].name) == 0) {
            PATHS[i].run(PATHS[i].size, count);
            return 0;
        }
    return 2;
}

int main(int argc, char **argv)
{
    long count = argc == 3 ? atol(argv[2]) : 0;
    if (count < 100 || count > MOST)
        return 2;
    alarm(300);
    context = zmq_ctx_new();
    int status = run(argv[1], count);
    zmq_ctx_term(context);
    return status;
}
