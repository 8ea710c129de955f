#include "model/lsn.h"
#include <stdio.h>

/* Up to eight hex digits; returns how many, 0 when none or too many. */
static size_t hex32(const char *s, size_t max, uint32_t *ret)
{
    uint32_t v = 0;
    size_t n = 0;
    for (; n <= max; n++) {
        char c = s[n];
        unsigned d = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                     : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                     : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                            : 16;
        if (d == 16)
            break;
        if (n == max)
            return 0;
        v = v << 4 | d;
    }
    *ret = v;
    return n;
}

bool lsn_parse(const char *s, uint64_t *ret)
{
    uint32_t hi, lo;
    if (!s)
        return false;
    size_t n = hex32(s, 8, &hi);
    if (!n || s[n] != '/')
        return false;
    const char *low = s + n + 1;
    n = hex32(low, 8, &lo);
    if (!n || low[n])
        return false;
    *ret = (uint64_t)hi << 32 | lo;
    return true;
}

const char *lsn_text(char buf[LSN_TEXT_MAX], uint64_t lsn)
{
    snprintf(buf, LSN_TEXT_MAX, "%X/%X", (unsigned)(lsn >> 32), (unsigned)(lsn & 0xFFFFFFFFu));
    return buf;
}

static bool segment_size_ok(uint32_t s)
{
    return s >= 1u << 20 && s <= 1u << 30 && (s & (s - 1)) == 0;
}

uint64_t wal_segment_of(uint64_t lsn, uint32_t segment_size)
{
    return lsn / segment_size;
}

void wal_name_text(char buf[WAL_NAME_LEN + 1], uint32_t timeline, uint64_t segno,
                   uint32_t segment_size)
{
    uint64_t per_id = 0x100000000ull / segment_size;
    snprintf(buf, WAL_NAME_LEN + 1, "%08X%08X%08X", timeline, (unsigned)(segno / per_id),
             (unsigned)(segno % per_id));
}

/* Exactly eight upper-case hex digits, as PostgreSQL writes them. */
static bool upper_hex8(const char *s, uint32_t *ret)
{
    char part[9];
    if (strnlen(s, 8) < 8)
        return false;
    memcpy(part, s, 8);
    part[8] = '\0';
    return strspn(part, "0123456789ABCDEF") == 8 && hex32(part, 8, ret) == 8;
}

bool wal_name_parse(const char *s, uint32_t segment_size, WalName *ret)
{
    WalName w = {0};
    uint32_t id, seg;
    if (!s || !segment_size_ok(segment_size) || !upper_hex8(s, &w.timeline) || !w.timeline)
        return false;
    if (strcmp(s + 8, ".history") == 0) {
        w.kind = WAL_HISTORY;
        *ret = w;
        return true;
    }
    if (!upper_hex8(s + 8, &id) || !upper_hex8(s + 16, &seg))
        return false;
    uint64_t per_id = 0x100000000ull / segment_size;
    if (seg >= per_id)
        return false;
    w.segno = id * per_id + seg;
    const char *end = s + 24;
    if (!*end)
        w.kind = WAL_SEGMENT;
    else if (strcmp(end, ".partial") == 0)
        w.kind = WAL_PARTIAL;
    else if (*end == '.' && upper_hex8(end + 1, &w.offset) && strcmp(end + 9, ".backup") == 0)
        w.kind = WAL_BACKUP;
    else
        return false;
    *ret = w;
    return true;
}
