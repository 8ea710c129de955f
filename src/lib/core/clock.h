/* core/clock.h - time. Deadlines and intervals use the monotonic clock; the wall clock is only ever
 * shown or stored. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

uint64_t clock_mono_ms(void); /* CLOCK_MONOTONIC */
uint64_t clock_boot_ms(
    void); /* CLOCK_BOOTTIME: goes on while the machine is suspended; for permits and leases */
int64_t clock_wall_us(void); /* microseconds since 1970-01-01T00:00:00Z */

enum { CLOCK_RFC3339_LEN = 27 };
/* "2026-11-23T03:08:37.123456Z" for Kubernetes MicroTime and for JSON; exactly CLOCK_RFC3339_LEN
 * bytes and a NUL. */
void clock_rfc3339(char ret[CLOCK_RFC3339_LEN + 1], int64_t wall_us);
/* Accepts RFC 3339 with an offset or Z and 0 to 9 fraction digits. */
bool clock_parse_rfc3339(const char *s, int64_t *ret_wall_us);

/* Exponential backoff with full jitter: the n-th delay is random in [0, min(max, base << n)]. */
typedef struct Backoff {
    uint32_t base_ms, max_ms, n;
} Backoff;
uint32_t backoff_next(Backoff *b);
void backoff_reset(Backoff *b);
