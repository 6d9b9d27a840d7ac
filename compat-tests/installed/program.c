/* Built against an installed libzmq: one message through it, and which library this is. C and C++. */
#include <stdio.h>
#include <string.h>
#include <zmq.h>
/* Only ours has it: the same program is built against the system's libzmq, too. */
#if defined __has_include
#if __has_include(<zmq_ferro.h>)
#include <zmq_ferro.h>
#endif
#endif

static void print_library(void)
{
    char line[1024];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        if (strstr(line, "/libzmq.so")) {
            printf("file %s", strchr(line, '/'));
            break;
        }
    }
    if (maps)
        fclose(maps);
}

int main(void)
{
    int major, minor, patch;
    char answer[16] = "";
    void *context = zmq_ctx_new();
    void *one = zmq_socket(context, ZMQ_PAIR);
    void *other = zmq_socket(context, ZMQ_PAIR);
    if (zmq_bind(one, "inproc://here") || zmq_connect(other, "inproc://here"))
        return 1;
    if (zmq_send(one, "hello", 5, 0) != 5 || zmq_recv(other, answer, sizeof answer, 0) != 5)
        return 2;
    if (strcmp(answer, "hello") || zmq_close(one) || zmq_close(other) || zmq_ctx_term(context))
        return 3;
    zmq_version(&major, &minor, &patch);
    printf("header %d.%d.%d library %d.%d.%d \n", ZMQ_VERSION_MAJOR, ZMQ_VERSION_MINOR, ZMQ_VERSION_PATCH, major, minor,
           patch);
#ifdef ZMQ_FERRO_MAX_FAILED_HANDSHAKES
    printf("extension: %x\n", ZMQ_FERRO_MAX_FAILED_HANDSHAKES);
#endif
#ifdef ZMQ_BUILD_DRAFT_API
    printf("drafts: %d\n", ZMQ_SERVER);
#endif
    print_library();
    return 0;
}
