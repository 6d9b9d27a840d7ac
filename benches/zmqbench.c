/* zmqbench: measures whatever libzmq.so.5 the loader finds.
   `zmqbench COMMAND key=value ...` prints one line of JSON. */
#define _GNU_SOURCE
#include "bench.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct command {
    const char *name;
    side *run;
    const char *options;
};

static const struct command COMMANDS[] = {
  {"throughput", throughput,
   "transport= size= api=copy|msg parts= security=null|plain|curve|qzmq hwm= seconds= io_threads="},
  {"raw-copy", raw_copy, "transport=tcp|ipc size= seconds="},
  {"pauses", pauses, "transport= size= security= updates= seconds= hwm= io_threads="},
  {"round-trip", round_trip, "transport= wait=recv|poll|epoll size= idle_ms= security= seconds="},
  {"raw-round-trip", raw_round_trip, "transport=tcp|ipc size= idle_ms= seconds="},
  {"publish", publish, "subscribers= size= nodrop=0|1 transport= seconds="},
  {"topics", topics, "topics= seconds="},
  {"fan-in", fan_in, "connections= size= transport= io_threads= seconds="},
  {"set-up", set_up, "transport= security= batch= seconds="},
  {"poll", poll_many, "sockets= seconds="},
  {"proxy", proxy, "transport= size= seconds="},
  {"idle-sockets", idle_sockets, "sockets="},
  {"idle-connections", idle_connections, "connections= transport="},
  {"line", line_between_processors, ""},
  {"which", which_library, ""},
};

enum { COMMAND_COUNT = sizeof COMMANDS / sizeof COMMANDS[0], LONGEST_RUN_S = 180 };

static int usage(void)
{
    fputs("zmqbench COMMAND [key=value ...]\n", stderr);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(stderr, "  %-17s %s\n", COMMANDS[i].name, COMMANDS[i].options);
    return 2;
}

/* Which file the functions come from, so that a run can prove what it measured. */
void which_library(void)
{
    Dl_info info;
    options_done();
    check(dladdr(dlsym(RTLD_DEFAULT, "zmq_send"), &info) != 0, "dladdr");
    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    printf("{\"file\": \"%s\", \"version\": \"%d.%d.%d\", \"curve\": %s}\n", info.dli_fname, major, minor, patch,
            zmq_has("curve") ? "true" : "false");
}

int main(int count, char **words)
{
    if (count < 2)
        return usage();
    /* A measurement that hangs ends by itself. */
    alarm(LONGEST_RUN_S);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(words[1], COMMANDS[i].name) == 0) {
            options_read(count - 2, words + 2);
            COMMANDS[i].run();
            return 0;
        }
    return usage();
}
