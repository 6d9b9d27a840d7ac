/*
 * Threads that pthread_cancel ends inside of a call. They end there, and the socket is as good as before: another thread uses and
 * closes it, and zmq_ctx_term returns. Without arguments all cases but refused_bind; else those named.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include "../draft/check.h"

static void *context, *mine, *other, *front, *back, *control;
static volatile int at_work;
static const char *transport;

static void say_ready(void)
{
    __atomic_store_n(&at_work, 1, __ATOMIC_SEQ_CST);
}

/* What threads are cancelled in. */

static void in_recv(void)
{
    char buffer[8];
    zmq_recv(mine, buffer, sizeof buffer, 0);
}

static void in_msg_recv(void)
{
    zmq_msg_t message;
    zmq_msg_init(&message);
    zmq_msg_recv(&message, mine, 0);
}

static void in_recvmsg(void)
{
    zmq_msg_t message;
    zmq_msg_init(&message);
    zmq_recvmsg(mine, &message, 0);
}

static void in_poll(void)
{
    zmq_pollitem_t item = {mine, 0, ZMQ_POLLIN, 0};
    zmq_poll(&item, 1, -1);
}

static void in_poll_with_descriptor(void)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    zmq_pollitem_t items[] = {{mine, 0, ZMQ_POLLIN, 0}, {NULL, ends[0], ZMQ_POLLIN, 0}};
    zmq_poll(items, 2, 60000);
}

static void in_ppoll(void)
{
    sigset_t none;
    sigemptyset(&none);
    zmq_pollitem_t item = {mine, 0, ZMQ_POLLIN, 0};
    zmq_ppoll(&item, 1, -1, &none);
}

static void in_poller_wait(void)
{
    zmq_poller_event_t event;
    void *poller = zmq_poller_new();
    CHECK(zmq_poller_add(poller, mine, NULL, ZMQ_POLLIN) == 0);
    zmq_poller_wait(poller, &event, -1);
}

/* Blocked at the mark: whatever fits has gone before. */
static void in_send(void)
{
    while (zmq_send(mine, "hello", 5, 0) == 5)
        ;
}

static void in_msg_send(void)
{
    zmq_msg_t message;
    do
        zmq_msg_init_size(&message, 100000);
    while (zmq_msg_send(&message, mine, 0) == 100000);
}

static void in_sendmsg(void)
{
    zmq_msg_t message;
    do
        zmq_msg_init_size(&message, 100);
    while (zmq_sendmsg(mine, &message, 0) == 100);
}

static void in_busy_send(void)
{
    static char large[100000];
    for (;;) {
        zmq_send(mine, large, sizeof large, ZMQ_DONTWAIT);
        zmq_send(mine, large, 64, ZMQ_DONTWAIT);
    }
}

static void in_busy_receive(void)
{
    char buffer[8];
    for (;;)
        zmq_recv(mine, buffer, sizeof buffer, ZMQ_DONTWAIT);
}

static void in_echo(void)
{
    char buffer[8];
    for (;;) {
        int size = zmq_recv(mine, buffer, sizeof buffer, 0);
        zmq_send(mine, buffer, size, 0);
    }
}

static void in_proxy(void)
{
    zmq_proxy(front, back, NULL);
}

static void in_proxy_steerable(void)
{
    zmq_proxy_steerable(front, back, NULL, control);
}

static void in_ctx_term(void)
{
    zmq_ctx_term(context);
}

static void in_sleep(void)
{
    zmq_sleep(60);
}

static void sleep_long(void *unused)
{
    (void) unused;
    sleep(2);
}

static void in_threadclose(void)
{
    zmq_threadclose(zmq_threadstart(sleep_long, NULL));
}

static void handle_timer(int id, void *call)
{
    (void) id;
    ((void (*)(void)) call)();
}

static void in_timer_handler(void (*call)(void))
{
    void *timers = zmq_timers_new();
    CHECK(zmq_timers_add(timers, 0, handle_timer, (void *) call) > 0);
    zmq_timers_execute(timers);
}

static void in_timer_that_sleeps(void)
{
    in_timer_handler(in_sleep);
}

static void in_timer_that_receives(void)
{
    in_timer_handler(in_recv);
}

static void leave(void)
{
    pthread_exit(PTHREAD_CANCELED);
}

static void in_timer_that_leaves(void)
{
    in_timer_handler(leave);
}

/* A cleanup handler of the program's that goes on using the socket. */
static void use_at_the_end(void *unused)
{
    (void) unused;
    zmq_pollitem_t item = {mine, 0, ZMQ_POLLIN, 0};
    CHECK(zmq_poll(&item, 1, 50) == 0);
    CHECK(zmq_send(mine, "bye", 3, 0) == 3);
}

static void in_recv_with_cleanup(void)
{
    pthread_cleanup_push(use_at_the_end, NULL);
    in_recv();
    pthread_cleanup_pop(0);
}

static int freed;

static void free_slowly(void *data, void *hint)
{
    (void) data, (void) hint;
    /* A cancellation point, inside of whatever lets go of the message. */
    usleep(1000);
    freed++;
}

/* The callback runs to its end, and the call around it too. */
static void in_free_callback(void)
{
    zmq_msg_t message;
    freed = 0;
    CHECK(zmq_msg_init_data(&message, "data", 4, free_slowly, NULL) == 0);
    pthread_cancel(pthread_self());
    zmq_msg_close(&message);
    CHECK(freed == 1);
    pthread_testcancel();
}

/* A refusal waits a moment for its line on stderr. The call ends no thread, so pause() does. */
static void in_refused_bind(void)
{
    FAILS(zmq_bind(mine, "tcp://0.0.0.0:*"), EACCES);
    for (;;)
        pause();
}

/* A thread that is cancelled already: calls that do not wait are done, to their end, or not begun. */
static void in_everything(void)
{
    void *one, *two, *timers = zmq_timers_new(), *monitor;
    char buffer[256], secret[41], public[41];
    size_t size;
    int fd, on = 1, state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    pthread_cancel(pthread_self());
    pthread_setcancelstate(state, &state);
    void *fresh = zmq_ctx_new();
    CHECK((one = zmq_socket(fresh, ZMQ_DEALER)) && (two = zmq_socket(fresh, ZMQ_ROUTER)));
    CHECK((monitor = zmq_socket(fresh, ZMQ_PAIR)));
    CHECK(zmq_setsockopt(one, ZMQ_ROUTING_ID, "one", 3) == 0 && zmq_setsockopt(one, ZMQ_LINGER, &on, sizeof on) == 0);
    CHECK(zmq_setsockopt(two, ZMQ_TCP_ACCEPT_FILTER, "127.0.0.1", 9) == 0);
    CHECK(zmq_curve_keypair(public, secret) == 0);
    CHECK(zmq_socket_monitor(two, "inproc://monitor", ZMQ_EVENT_ALL) == 0);
    CHECK(zmq_connect(monitor, "inproc://monitor") == 0);
    CHECK(zmq_bind(two, "tcp://127.0.0.1:*") == 0);
    size = sizeof buffer;
    CHECK(zmq_getsockopt(two, ZMQ_LAST_ENDPOINT, buffer, &size) == 0);
    CHECK(zmq_connect(one, buffer) == 0 && zmq_connect(one, "tcp://localhost:1") == 0);
    size = sizeof fd;
    CHECK(zmq_getsockopt(one, ZMQ_FD, &fd, &size) == 0);
    CHECK(zmq_bind(two, "ipc://*") == 0 && zmq_bind(two, "inproc://everything") == 0);
    CHECK(zmq_disconnect(one, buffer) == 0 && zmq_unbind(two, buffer) == 0);
    CHECK(zmq_timers_execute(timers) == 0 && zmq_timers_destroy(&timers) == 0);
    void *poller = zmq_poller_new();
    CHECK(zmq_poller_add(poller, one, NULL, ZMQ_POLLIN) == 0 && zmq_poller_destroy(&poller) == 0);
    CHECK(zmq_close(monitor) == 0 && zmq_close(one) == 0 && zmq_close(two) == 0);
    zmq_ctx_term(fresh);
    /* That could be where it ends, and else this is. */
    zmq_sleep(60);
}

/* The stage. */

static void open_pair(int mark)
{
    char name[64];
    mine = new_socket(context, ZMQ_PAIR);
    other = new_socket(context, ZMQ_PAIR);
    int ever = -1;
    zmq_setsockopt(mine, ZMQ_RCVTIMEO, &ever, sizeof ever);
    zmq_setsockopt(mine, ZMQ_SNDTIMEO, &ever, sizeof ever);
    if (mark) {
        CHECK(zmq_setsockopt(mine, ZMQ_SNDHWM, &mark, sizeof mark) == 0);
        CHECK(zmq_setsockopt(other, ZMQ_RCVHWM, &mark, sizeof mark) == 0);
    }
    snprintf(name, sizeof name, "%s", transport);
    CHECK(zmq_connect(other, bound(mine, name)) == 0);
}

static void greet(void)
{
    char buffer[8];
    CHECK(zmq_send(other, "hi", 2, 0) == 2 && zmq_recv(mine, buffer, sizeof buffer, 0) == 2);
    CHECK(zmq_send(mine, "hi", 2, 0) == 2 && zmq_recv(other, buffer, sizeof buffer, 0) == 2);
}

static void *work(void *call)
{
    say_ready();
    ((void (*)(void)) call)();
    return NULL;
}

static void cancel_in(void (*call)(void), int pause_us)
{
    pthread_t thread;
    struct timespec until;
    void *value = NULL;
    at_work = 0;
    CHECK(pthread_create(&thread, NULL, work, (void *) call) == 0);
    while (!at_work)
        sched_yield();
    usleep(pause_us);
    pthread_cancel(thread);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    CHECK(pthread_timedjoin_np(thread, &value, &until) == 0);
    CHECK(value == PTHREAD_CANCELED);
}

/* Whatever lies there still, until a message of this name comes. */
static void receive_until(void *socket, const char *name)
{
    char buffer[16];
    int size;
    do
        CHECK((size = zmq_recv(socket, buffer, sizeof buffer, 0)) >= 0);
    while (size != (int) strlen(name) || memcmp(buffer, name, size));
}

struct piece {
    const char *name;
    void (*call)(void);
    enum { RECEIVES, SENDS, ECHOES, ALONE, PROXY, TERM, REFUSED } stage;
    int every_transport;
};

static const struct piece PIECES[] = {
    {"recv", in_recv, RECEIVES, 1},
    {"msg_recv", in_msg_recv, RECEIVES, 1},
    {"recvmsg", in_recvmsg, RECEIVES, 1},
    {"poll", in_poll, RECEIVES, 1},
    {"poll_with_descriptor", in_poll_with_descriptor, RECEIVES, 1},
    {"ppoll", in_ppoll, RECEIVES, 1},
    {"poller_wait", in_poller_wait, RECEIVES, 1},
    {"recv_with_cleanup", in_recv_with_cleanup, RECEIVES, 1},
    {"busy_receive", in_busy_receive, RECEIVES, 1},
    {"send", in_send, SENDS, 1},
    {"msg_send", in_msg_send, SENDS, 1},
    {"sendmsg", in_sendmsg, SENDS, 1},
    {"busy_send", in_busy_send, SENDS, 1},
    {"echo", in_echo, ECHOES, 1},
    {"proxy", in_proxy, PROXY, 0},
    {"proxy_steerable", in_proxy_steerable, PROXY, 0},
    {"ctx_term", in_ctx_term, TERM, 0},
    {"sleep", in_sleep, ALONE, 0},
    {"threadclose", in_threadclose, ALONE, 0},
    {"timer_that_sleeps", in_timer_that_sleeps, ALONE, 0},
    {"timer_that_receives", in_timer_that_receives, RECEIVES, 0},
    {"timer_that_leaves", in_timer_that_leaves, ALONE, 0},
    {"free_callback", in_free_callback, ALONE, 0},
    {"everything", in_everything, ALONE, 0},
    {"refused_bind", in_refused_bind, REFUSED, 0},
};

static void play_pair(const struct piece *piece)
{
    open_pair(piece->stage == SENDS ? 2 : 0);
    greet();
    if (piece->stage == ECHOES) {
        /* Cancelled between two messages of many, wherever that is. */
        pthread_t thread;
        char buffer[8];
        CHECK(pthread_create(&thread, NULL, work, (void *) piece->call) == 0);
        for (int round = 0; round < 500; round++)
            CHECK(zmq_send(other, "hi", 2, 0) == 2 && zmq_recv(other, buffer, sizeof buffer, 0) == 2);
        pthread_cancel(thread);
        CHECK(pthread_join(thread, NULL) == 0);
    } else
        cancel_in(piece->call, 100000);
    if (piece->stage != SENDS) {
        CHECK(zmq_send(other, "mine", 4, 0) == 4);
        receive_until(mine, "mine");
    }
    int patience = PATIENCE_MS;
    zmq_setsockopt(mine, ZMQ_SNDTIMEO, &patience, sizeof patience);
    char drained[16];
    int quiet = 100;
    zmq_setsockopt(other, ZMQ_RCVTIMEO, &quiet, sizeof quiet);
    while (zmq_recv(other, drained, sizeof drained, 0) >= 0)
        ;
    zmq_setsockopt(other, ZMQ_RCVTIMEO, &patience, sizeof patience);
    CHECK(zmq_send(mine, "other", 5, 0) == 5);
    receive_until(other, "other");
    CHECK(zmq_close(mine) == 0 && zmq_close(other) == 0);
}

static void play(const struct piece *piece)
{
    context = zmq_ctx_new();
    if (piece->stage == PROXY) {
        front = new_socket(context, ZMQ_ROUTER);
        back = new_socket(context, ZMQ_DEALER);
        control = new_socket(context, ZMQ_PAIR);
        void *client = new_socket(context, ZMQ_DEALER), *server = new_socket(context, ZMQ_REP);
        CHECK(zmq_connect(client, bound(front, "tcp://127.0.0.1:*")) == 0);
        CHECK(zmq_connect(server, bound(back, "tcp://127.0.0.1:*")) == 0);
        cancel_in(piece->call, 100000);
        cancel_in(piece->call, 100000);
        CHECK(zmq_close(front) == 0 && zmq_close(back) == 0 && zmq_close(control) == 0);
        CHECK(zmq_close(client) == 0 && zmq_close(server) == 0);
    } else if (piece->stage == TERM) {
        mine = new_socket(context, ZMQ_PAIR);
        cancel_in(piece->call, 100000);
        FAILS(zmq_send(mine, "x", 1, ZMQ_DONTWAIT), ETERM);
        CHECK(zmq_close(mine) == 0);
    } else if (piece->stage == REFUSED) {
        mine = new_socket(context, ZMQ_PAIR);
        for (int round = 0; round < 500; round++)
            cancel_in(piece->call, rand() % 400);
        CHECK(zmq_close(mine) == 0);
    } else if (piece->stage == ALONE)
        cancel_in(piece->call, 100000);
    else
        play_pair(piece);
    CHECK(zmq_ctx_term(context) == 0);
}

static void hang(int signal)
{
    static const char words[] = "a call never came back\n";
    (void) signal;
    (void) !write(2, words, sizeof words - 1);
    _exit(1);
}

int main(int count, char **names)
{
    static const char *const TRANSPORTS[] = {"tcp://127.0.0.1:*", "inproc://mine", "ipc://*"};
    signal(SIGALRM, hang);
    for (size_t index = 0; index < sizeof PIECES / sizeof *PIECES; index++) {
        const struct piece *piece = &PIECES[index];
        /* What is to be refused needs a file that says so (FERROZMQ_SECURITY). */
        int wanted = count < 2 && piece->stage != REFUSED;
        for (int name = 1; name < count; name++)
            wanted |= !strcmp(names[name], piece->name);
        for (int which = 0; wanted && which < (piece->every_transport ? 3 : 1); which++) {
            transport = TRANSPORTS[which];
            printf("%s %s\n", piece->name, piece->every_transport ? transport : "");
            fflush(stdout);
            alarm(60);
            play(piece);
        }
    }
    return 0;
}
