/* flock() as a file system without locks answers it: with the error of $FLOCK_ERRNO. */

#include <errno.h>
#include <stdlib.h>

int flock(int descriptor, int operation)
{
    (void)descriptor;
    (void)operation;
    errno = atoi(getenv("FLOCK_ERRNO"));
    return -1;
}
