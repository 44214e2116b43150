/*
 * Short reads and writes, for fault-test: preloaded, it gives every caller less than was asked for.
 *
 * A count of n > 1 becomes n/2 (UNWRITE_SHORT_IO=half), or a number of 1..n that a seeded generator draws
 * (UNWRITE_SHORT_IO=random, UNWRITE_SHORT_IO_SEED).  POSIX allows both at any time; programs that take the whole count
 * for granted lose or repeat bytes.  With UNWRITE_SHORT_IO_LOG set, the number of shortened calls is appended to that file
 * at the end, so that the test can tell that the shim was in effect.
 *
 * Only calls through libc are seen.  Code that makes system calls itself (rustix's default back end) passes by; build with
 * RUSTFLAGS="--cfg rustix_use_libc" to bring it in.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static enum { OFF, HALF, RANDOM } mode;
static _Atomic uint64_t state;
static _Atomic unsigned long shortened;

__attribute__((constructor)) static void start(void)
{
    const char *how = getenv("UNWRITE_SHORT_IO");
    const char *seed = getenv("UNWRITE_SHORT_IO_SEED");
    if (how && strcmp(how, "half") == 0)
        mode = HALF;
    else if (how && strcmp(how, "random") == 0)
        mode = RANDOM;
    state = seed ? strtoull(seed, NULL, 10) : 1;
}

__attribute__((destructor)) static void finish(void)
{
    const char *path = getenv("UNWRITE_SHORT_IO_LOG");
    FILE *log = path ? fopen(path, "a") : NULL;
    if (log) {
        fprintf(log, "%lu\n", (unsigned long)shortened);
        fclose(log);
    }
}

/* splitmix64: each call takes its own number, whatever the threads. */
static uint64_t draw(void)
{
    uint64_t z = atomic_fetch_add(&state, 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static size_t less(size_t count)
{
    size_t given = count;
    if (count > 1 && mode == HALF)
        given = count / 2;
    else if (count > 1 && mode == RANDOM)
        given = 1 + (size_t)(draw() % count);
    if (given != count)
        atomic_fetch_add(&shortened, 1);
    return given;
}

#define REAL(result, name, ...)                                        \
    static result (*real)(__VA_ARGS__);                                \
    if (!real)                                                         \
        real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

ssize_t read(int fd, void *buffer, size_t count)
{
    REAL(ssize_t, "read", int, void *, size_t);
    return real(fd, buffer, less(count));
}

ssize_t write(int fd, const void *buffer, size_t count)
{
    REAL(ssize_t, "write", int, const void *, size_t);
    return real(fd, buffer, less(count));
}

ssize_t pread(int fd, void *buffer, size_t count, off_t at)
{
    REAL(ssize_t, "pread", int, void *, size_t, off_t);
    return real(fd, buffer, less(count), at);
}

ssize_t pread64(int fd, void *buffer, size_t count, off64_t at)
{
    REAL(ssize_t, "pread64", int, void *, size_t, off64_t);
    return real(fd, buffer, less(count), at);
}

ssize_t pwrite(int fd, const void *buffer, size_t count, off_t at)
{
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    return real(fd, buffer, less(count), at);
}

ssize_t pwrite64(int fd, const void *buffer, size_t count, off64_t at)
{
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    return real(fd, buffer, less(count), at);
}

/* Of a vector only the first part that holds anything is passed on, shortened. */
static struct iovec first_of(const struct iovec *parts, int count)
{
    struct iovec one = {0};
    for (int i = 0; i < count; i++)
        if (parts[i].iov_len) {
            one = parts[i];
            one.iov_len = less(one.iov_len);
            break;
        }
    return one;
}

ssize_t readv(int fd, const struct iovec *parts, int count)
{
    REAL(ssize_t, "readv", int, const struct iovec *, int);
    struct iovec one = first_of(parts, count);
    return mode == OFF ? real(fd, parts, count) : real(fd, &one, 1);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    struct iovec one = first_of(parts, count);
    return mode == OFF ? real(fd, parts, count) : real(fd, &one, 1);
}

ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t count, unsigned flags)
{
    REAL(ssize_t, "copy_file_range", int, off64_t *, int, off64_t *, size_t, unsigned);
    return real(in, in_at, out, out_at, less(count), flags);
}

ssize_t sendfile(int out, int in, off_t *at, size_t count)
{
    REAL(ssize_t, "sendfile", int, int, off_t *, size_t);
    return real(out, in, at, less(count));
}

ssize_t sendfile64(int out, int in, off64_t *at, size_t count)
{
    REAL(ssize_t, "sendfile64", int, int, off64_t *, size_t);
    return real(out, in, at, less(count));
}
