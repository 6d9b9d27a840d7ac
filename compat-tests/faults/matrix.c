/* One case of the matrix: matrix CALL ERRNO WHICH WHEN SECONDS.
 *
 * The workload runs in a child whose system call CALL, whoever makes it, waits for an answer of this process (seccomp user
 * notification), so that the fault can begin and end. WHICH of the calls fail while it lasts: 1 is the first, 3 the third,
 * 57 the fifth and each seventh from there on, 0 all. WHEN it begins: see workload.h.
 *
 * Prints a line; ends with 0 where all is well, 1 where it is not, 2 where the call was never made, 3 where this cannot be
 * tried here. */
#define _GNU_SOURCE
#include "workload.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* More of a processor than this, in percent, is too much for a process that waits. A pair over tls:// that tries again every few
 * milliseconds begins a key agreement each time: 9 was seen with it, and 5 without. */
#define MOST_IDLE_PERCENT 14
#define MOST_TERM_MS 3000

static struct shared {
    struct report report;
    /* The child's descriptor of its filter, which this process takes over; then the child may begin. */
    volatile int listener, begin;
} * shared;
static int failed_calls, seen_calls;
static struct seccomp_notif request;
static struct seccomp_notif_resp answer;

static int is_hit(int which, int count)
{
    if (which == 0)
        return 1;
    return which == 57 ? count >= 5 && (count - 5) % 7 == 0 : count == which;
}

/* Answers one call, if one waits. */
static void serve(int listener, int error, int which)
{
    struct pollfd waits = {listener, POLLIN, 0};
    poll(&waits, 1, 20);
    memset(&request, 0, sizeof request);
    if (!(waits.revents & POLLIN) || ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request))
        return;
    memset(&answer, 0, sizeof answer);
    answer.id = request.id;
    if (shared->report.armed && is_hit(which, ++seen_calls)) {
        ++failed_calls;
        answer.error = -error;
    } else {
        answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    }
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

static void child(int call, char when, int output)
{
    dup2(output, 1);
    dup2(output, 2);
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    int listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    shared->listener = listener < 0 ? -2 : listener;
    /* No system call here: nobody answers yet. */
    while (!shared->begin)
        __asm__ volatile("pause");
    workload(&shared->report, when);
    syscall(SYS_exit_group, 0);
}

/* Where each thread stands, while its calls are let through. */
static void show_stacks(pid_t pid, int listener)
{
    char command[200];
    snprintf(command, sizeof command, "timeout 20 gdb -p %d -batch -ex 'thread apply all bt 12' 2>/dev/null | grep '^[#T]'", pid);
    pid_t shell = fork();
    if (shell == 0) {
        int ignored = system(command);
        _exit(ignored != 0);
    }
    while (waitpid(shell, NULL, WNOHANG) == 0)
        serve(listener, 0, -1);
}

/* What is wrong, appended to `verdict`. */
static void judge(char *verdict, int status, int hung)
{
    struct report *report = &shared->report;
    if (hung)
        sprintf(verdict, " HANG(phase %d)", report->phase);
    else if (WIFSIGNALED(status))
        sprintf(verdict, " SIGNAL(%s)", sigabbrev_np(WTERMSIG(status)));
    else if (report->phase != FINISHED)
        sprintf(verdict, " EXIT(%d)", WEXITSTATUS(status));
    if (report->idle_percent > MOST_IDLE_PERCENT)
        sprintf(verdict + strlen(verdict), " SPIN(%.0f%%)", report->idle_percent);
    /* Without a context there is nothing to see. */
    if (hung || WIFSIGNALED(status) || report->phase != FINISHED || strstr(report->notes, "context="))
        return;
    for (int i = 0; i < PAIRS; ++i)
        if (report->made[i] && !report->after[i])
            sprintf(verdict + strlen(verdict), " NOFLOW(%s)", pair_names[i]);
    if (!report->fresh)
        strcat(verdict, " NOFRESH");
    if (report->term_ms > MOST_TERM_MS)
        sprintf(verdict + strlen(verdict), " SLOWTERM(%d ms)", report->term_ms);
}

static int take_listener(pid_t pid)
{
    while (shared->listener == -1) {
        wait_ms(1);
        if (waitpid(pid, NULL, WNOHANG) == pid)
            return -1;
    }
    int pidfd = syscall(SYS_pidfd_open, pid, 0);
    return shared->listener < 0 ? -1 : (int) syscall(SYS_pidfd_getfd, pidfd, shared->listener, 0);
}

int main(int count, char **words)
{
    if (count < 6)
        return 3;
    int call = atoi(words[1]), error = atoi(words[2]), which = atoi(words[3]), status = 0, hung = 0, output[2];
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    shared->listener = -1;
    if (pipe(output))
        return 3;
    pid_t pid = fork();
    if (pid == 0)
        child(call, words[4][0], output[1]);
    close(output[1]);
    int listener = take_listener(pid);
    if (listener < 0) {
        printf("no seccomp notification here\n");
        return 3;
    }
    fcntl(output[0], F_SETFL, O_NONBLOCK);
    double began = seconds_now(), limit = atof(words[5]);
    shared->begin = 1;
    while (waitpid(pid, &status, WNOHANG) != pid) {
        serve(listener, error, which);
        if (seconds_now() - began > limit) {
            hung = 1;
            shared->report.armed = 0;
            show_stacks(pid, listener);
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            break;
        }
    }
    char said[2000] = "", verdict[1000] = "";
    int bytes = read(output[0], said, sizeof said - 1);
    for (int i = 0; i < bytes; ++i)
        if (said[i] == '\n')
            said[i] = '|';
    judge(verdict, status, hung);
    if (strstr(said, "panicked") || strstr(said, "ssertion"))
        strcat(verdict, " TEXT");
    const char *head = *verdict ? verdict + 1 : failed_calls ? "ok" : "not made";
    printf("%s; %d of %d calls failed, idle %.0f%%, %.1f s;%s%s%.300s\n", head, failed_calls, seen_calls,
           shared->report.idle_percent, seconds_now() - began, shared->report.notes, *verdict && bytes > 0 ? " said: " : "",
           *verdict && bytes > 0 ? said : "");
    return *verdict ? 1 : failed_calls ? 0 : 2;
}
