/* ZMQ_HELLO_MSG, ZMQ_DISCONNECT_MSG, ZMQ_HICCUP_MSG and ZMQ_ROUTER_NOTIFY, on more types, with CURVE, over inproc, and
 * after connecting again. */
#include "check.h"

#define TEXT(socket, option, text) CHECK(zmq_setsockopt(socket, option, text, strlen(text)) == 0)

/* A ROUTER hears who comes and goes, a DEALER of a connection that is gone. */
static void router_and_dealer(const char *endpoint, int secure)
{
    void *context = zmq_ctx_new();
    void *router = new_socket(context, ZMQ_ROUTER), *dealer = new_socket(context, ZMQ_DEALER);
    if (secure) {
        char public_key[41], secret_key[41], other_public[41], other_secret[41];
        CHECK(zmq_curve_keypair(public_key, secret_key) == 0);
        CHECK(zmq_curve_keypair(other_public, other_secret) == 0);
        set_option(router, ZMQ_CURVE_SERVER, 1);
        TEXT(router, ZMQ_CURVE_SECRETKEY, secret_key);
        TEXT(dealer, ZMQ_CURVE_SERVERKEY, public_key);
        TEXT(dealer, ZMQ_CURVE_PUBLICKEY, other_public);
        TEXT(dealer, ZMQ_CURVE_SECRETKEY, other_secret);
    }
    TEXT(router, ZMQ_HELLO_MSG, "welcome");
    TEXT(router, ZMQ_DISCONNECT_MSG, "gone");
    TEXT(dealer, ZMQ_ROUTING_ID, "me");
    TEXT(dealer, ZMQ_HELLO_MSG, "hello");
    TEXT(dealer, ZMQ_HICCUP_MSG, "hiccup");
    set_option(dealer, ZMQ_RECONNECT_IVL, 10);
    const char *address = bound(router, endpoint);
    CHECK(zmq_connect(dealer, address) == 0);
    say(dealer, "first");
    expect(router, "me");
    expect(router, "hello");
    expect(router, "me");
    expect(router, "first");
    expect(dealer, "welcome");

    if (strncmp(endpoint, "inproc", 6) != 0) {
        /* The other side goes and comes back. */
        CHECK(zmq_unbind(router, address) == 0);
        expect(dealer, "hiccup");
        CHECK(zmq_bind(router, address) == 0);
        expect(dealer, "welcome");
        expect(router, "me");
        expect(router, "hello");
    }
    CHECK(zmq_close(dealer) == 0);
    expect(router, "me");
    expect(router, "gone");
    finish(context, &router, 1);
}

/* No types but those that have such messages take part. */
static void others_say_nothing(void)
{
    void *context = zmq_ctx_new();
    void *push = new_socket(context, ZMQ_PUSH), *pull = new_socket(context, ZMQ_PULL);
    TEXT(push, ZMQ_HELLO_MSG, "hello");
    TEXT(pull, ZMQ_DISCONNECT_MSG, "gone");
    TEXT(pull, ZMQ_HICCUP_MSG, "hiccup");
    CHECK(zmq_connect(push, bound(pull, "tcp://127.0.0.1:*")) == 0);
    say(push, "only this");
    expect(pull, "only this");
    CHECK(zmq_close(push) == 0);
    expect_nothing(pull);
    finish(context, &pull, 1);
}

static void notices(void)
{
    void *context = zmq_ctx_new();
    void *router = new_socket(context, ZMQ_ROUTER), *dealer = new_socket(context, ZMQ_DEALER);
    FAILS(zmq_setsockopt(dealer, ZMQ_ROUTER_NOTIFY, &(int){3}, sizeof(int)), EINVAL);
    set_option(router, ZMQ_ROUTER_NOTIFY, ZMQ_NOTIFY_CONNECT | ZMQ_NOTIFY_DISCONNECT);
    TEXT(dealer, ZMQ_ROUTING_ID, "me");
    CHECK(zmq_connect(dealer, bound(router, "tcp://127.0.0.1:*")) == 0);
    expect(router, "me");
    expect(router, "");
    CHECK(zmq_close(dealer) == 0);
    expect(router, "me");
    expect(router, "");
    finish(context, &router, 1);
}

int main(void)
{
    router_and_dealer("tcp://127.0.0.1:*", 0);
    router_and_dealer("ipc://special", 0);
    router_and_dealer("inproc://special", 0);
    if (zmq_has("curve"))
        router_and_dealer("tcp://127.0.0.1:*", 1);
    others_say_nothing();
    notices();
    return 0;
}
