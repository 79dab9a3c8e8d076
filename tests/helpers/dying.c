/* A process that dies before the nth of its changes to files, as made by a library that Python does not see into. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/types.h>
#include <unistd.h>

static int left = 0;

/* Die before the nth change from now on; never where it is 0. */
void die_before(int nth) { left = nth; }

static void step(void) {
    if (left > 0 && --left == 0) _exit(9);
}

#define FOUND(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int file, const void *bytes, size_t size) {
    step();
    return FOUND(write)(file, bytes, size);
}

ssize_t pwrite(int file, const void *bytes, size_t size, off_t place) {
    step();
    return FOUND(pwrite)(file, bytes, size, place);
}

ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t place) {
    step();
    return FOUND(pwrite64)(file, bytes, size, place);
}

int fsync(int file) {
    step();
    return FOUND(fsync)(file);
}

int fdatasync(int file) {
    step();
    return FOUND(fdatasync)(file);
}

int ftruncate(int file, off_t size) {
    step();
    return FOUND(ftruncate)(file, size);
}

int ftruncate64(int file, off64_t size) {
    step();
    return FOUND(ftruncate64)(file, size);
}

int unlink(const char *path) {
    step();
    return FOUND(unlink)(path);
}
