/* Prints the version of its libzmq and the file that it is in; ends with the exit code it is given. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

int main (int count, char **words)
{
    int major, minor, patch;
    void *context = zmq_ctx_new ();
    Dl_info info;
    zmq_version (&major, &minor, &patch);
    /* Not by the address of zmq_ctx_new, which may be that of the program's own stub. */
    if (count < 2 || !dladdr (dlsym (RTLD_DEFAULT, "zmq_ctx_new"), &info))
        return 1;
    printf ("%d.%d.%d %s\n", major, minor, patch, info.dli_fname);
    fflush (stdout);
    if (strcmp (words[1], "wait") == 0)
        getchar ();
    zmq_ctx_term (context);
    return atoi (words[1]);
}
