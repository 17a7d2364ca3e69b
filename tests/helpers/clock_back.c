/* Preloaded into a process: its wall clock jumps back by CLOCK_BACK_SECONDS when the monotonic clock, which stays, is
   CLOCK_BACK_AT seconds. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static double at = 1e18;
static long seconds = 0;

__attribute__((constructor)) static void read_environment(void) {
    const char *moment = getenv("CLOCK_BACK_AT"), *jump = getenv("CLOCK_BACK_SECONDS");
    if (moment && jump) at = atof(moment), seconds = atol(jump);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int code = syscall(SYS_clock_gettime, clock, now);
    struct timespec monotonic;
    if (code == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &monotonic);
        if (monotonic.tv_sec + monotonic.tv_nsec * 1e-9 >= at) now->tv_sec -= seconds;
    }
    return code;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec time;
    (void)zone;
    int code = clock_gettime(CLOCK_REALTIME, &time);
    now->tv_sec = time.tv_sec, now->tv_usec = time.tv_nsec / 1000;
    return code;
}

time_t time(time_t *stored) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (stored) *stored = now.tv_sec;
    return now.tv_sec;
}
