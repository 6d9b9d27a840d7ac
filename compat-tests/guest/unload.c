/* A plugin host: loads the library, uses it, unloads it, and goes on. Threads of the library that live on must find their code.
   unload LIBRARY: 0 if it is still there. */
#include <dlfcn.h>
#include <stdio.h>

static void *named(void *library, const char *name)
{
    void *found = dlsym(library, name);
    if (!found)
        fprintf(stderr, "%s\n", dlerror());
    return found;
}

int main(int count, char **words)
{
    void *library = count == 2 ? dlopen(words[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!library)
        return 2;
    void *(*new_context)(void) = (void *(*)(void)) named(library, "zmq_ctx_new");
    void *(*new_socket)(void *, int) = (void *(*)(void *, int)) named(library, "zmq_socket");
    int (*close_socket)(void *) = (int (*)(void *)) named(library, "zmq_close");
    int (*end_context)(void *) = (int (*)(void *)) named(library, "zmq_ctx_term");
    if (!new_context || !new_socket || !close_socket || !end_context)
        return 2;
    void *context = new_context();
    void *socket = new_socket(context, 0);
    if (!socket || close_socket(socket) != 0 || end_context(context) != 0)
        return 3;
    dlclose(library);
    return dlopen(words[1], RTLD_NOW | RTLD_NOLOAD) ? 0 : 1;
}
