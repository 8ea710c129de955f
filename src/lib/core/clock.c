#include "core/clock.h"

#include "core/ident.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_us(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

uint64_t clock_mono_ms(void)
{
    return (uint64_t)read_us(CLOCK_MONOTONIC) / 1000;
}
uint64_t clock_boot_ms(void)
{
    return (uint64_t)read_us(CLOCK_BOOTTIME) / 1000;
}
int64_t clock_wall_us(void)
{
    return read_us(CLOCK_REALTIME);
}

void clock_rfc3339(char ret[CLOCK_RFC3339_LEN + 1], int64_t wall_us)
{
    time_t sec = wall_us / 1000000;
    long us = (long)(wall_us % 1000000);
    if (us < 0)
        us += 1000000, sec--;
    struct tm tm;
    gmtime_r(&sec, &tm);
    size_t n = strftime(ret, CLOCK_RFC3339_LEN + 1, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(ret + n, CLOCK_RFC3339_LEN + 1 - n, ".%06ldZ", us);
}

/* Exactly `digits` decimal digits at *s, which moves behind them; -1 when something else stands
 * there. */
static int take_digits(const char **s, int digits)
{
    int v = 0;
    for (; digits; digits--, (*s)++) {
        if (**s < '0' || **s > '9')
            return -1;
        v = v * 10 + (**s - '0');
    }
    return v;
}

static bool take_char(const char **s, const char *any)
{
    if (!**s || !strchr(any, **s))
        return false;
    (*s)++;
    return true;
}

static bool take_fraction(const char **s, int64_t *ret_us)
{
    int64_t us = 0, scale = 100000;
    int n = 0;
    for (; **s >= '0' && **s <= '9'; (*s)++, n++, scale /= 10)
        us += (**s - '0') * scale;
    *ret_us = us;
    return n >= 1 && n <= 9;
}

static bool take_offset(const char **s, int64_t *ret_sec)
{
    if (take_char(s, "Zz")) {
        *ret_sec = 0;
        return true;
    }
    int sign = **s == '-' ? -1 : 1;
    if (!take_char(s, "+-"))
        return false;
    int h = take_digits(s, 2);
    if (h < 0 || h > 23 || !take_char(s, ":"))
        return false;
    int m = take_digits(s, 2);
    if (m < 0 || m > 59)
        return false;
    *ret_sec = sign * (h * 3600 + m * 60);
    return true;
}

bool clock_parse_rfc3339(const char *s, int64_t *ret_wall_us)
{
    struct tm tm = {0};
    int64_t us = 0, offset;
    int y = take_digits(&s, 4), mo, d, h, mi, sec;
    if (y < 0 || !take_char(&s, "-") || (mo = take_digits(&s, 2)) < 1 || mo > 12 ||
        !take_char(&s, "-") || (d = take_digits(&s, 2)) < 1 || d > 31 || !take_char(&s, "Tt ") ||
        (h = take_digits(&s, 2)) < 0 || h > 23 || !take_char(&s, ":") ||
        (mi = take_digits(&s, 2)) < 0 || mi > 59 || !take_char(&s, ":") ||
        (sec = take_digits(&s, 2)) < 0 || sec > 60)
        return false;
    if (take_char(&s, ".") && !take_fraction(&s, &us))
        return false;
    if (!take_offset(&s, &offset) || *s)
        return false;
    tm.tm_year = y - 1900, tm.tm_mon = mo - 1, tm.tm_mday = d, tm.tm_hour = h, tm.tm_min = mi,
    tm.tm_sec = sec;
    time_t t = timegm(&tm);
    if (tm.tm_mday != d)
        return false; /* 31 February: timegm normalised it */
    *ret_wall_us = ((int64_t)t - offset) * 1000000 + us;
    return true;
}

uint32_t backoff_next(Backoff *b)
{
    uint64_t top = (uint64_t)b->base_ms << (b->n < 20 ? b->n : 20);
    if (top > b->max_ms)
        top = b->max_ms;
    b->n++;
    return (uint32_t)(random_u64() % (top + 1));
}

void backoff_reset(Backoff *b)
{
    b->n = 0;
}
