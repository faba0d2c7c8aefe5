/* Faults of the system, loaded before libc (LD_PRELOAD): what a disk and a clock do to a program.
 *
 * LOGOS_FAULT        enospc, eio, short or clock
 * LOGOS_FAULT_AFTER  bytes that regular files take before the fault (enospc, eio)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static atomic_long written;
static atomic_uint calls;

static int is(const char *name) {
    const char *fault = getenv("LOGOS_FAULT");
    return fault != NULL && strcmp(fault, name) == 0;
}

ssize_t write(int descriptor, const void *content, size_t size) {
    static ssize_t (*original)(int, const void *, size_t);
    if (original == NULL)
        original = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    struct stat about;
    if (descriptor > 2 && size > 0 && fstat(descriptor, &about) == 0 && S_ISREG(about.st_mode)) {
        const char *after = getenv("LOGOS_FAULT_AFTER");
        if (is("enospc") || is("eio")) {
            long left = atol(after == NULL ? "0" : after) - atomic_fetch_add(&written, (long)size);
            if (left <= 0) {
                errno = is("eio") ? EIO : ENOSPC;
                return -1;
            }
            if ((size_t)left < size)
                size = (size_t)left; /* a full disk takes what fits */
        } else if (is("short") && size > 1) {
            size = 1 + (size * 7 / 13 + atomic_fetch_add(&calls, 1)) % (size - 1);
        }
    }
    return original(descriptor, content, size);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*original)(clockid_t, struct timespec *);
    if (original == NULL)
        original = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = original(clock, now);
    if (result == 0 && clock == CLOCK_REALTIME && is("clock")) {
        static const long jumps[] = {0, 86400, -86400, 31536000, -31536000, 3600, -7};
        now->tv_sec += jumps[atomic_fetch_add(&calls, 1) % 7];
    }
    return result;
}
