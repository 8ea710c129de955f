#include "model/cidr.h"
#include <arpa/inet.h>

static bool host_bits_zero(const Cidr *c)
{
    size_t len = c->v6 ? 16 : 4;
    for (size_t i = 0; i < len; i++) {
        unsigned used = c->bits > i * 8 ? c->bits - (unsigned)i * 8 : 0;
        unsigned mask = used >= 8 ? 0 : 0xFFu >> used;
        if (c->addr[i] & mask)
            return false;
    }
    return true;
}

bool cidr_parse(const char *s, bool strict, Cidr *ret)
{
    char host[64];
    Cidr c = {0};
    const char *slash = s ? strchr(s, '/') : NULL;
    size_t n = slash ? (size_t)(slash - s) : s ? strlen(s) : 0;
    if (n < 1 || n >= sizeof host)
        return false;
    memcpy(host, s, n);
    host[n] = '\0';
    c.v6 = strchr(host, ':') != NULL;
    if (inet_pton(c.v6 ? AF_INET6 : AF_INET, host, c.addr) != 1)
        return false;
    uint64_t bits = c.v6 ? 128 : 32;
    if (slash && (strlen(slash + 1) > 3 || !str_to_u64(slash + 1, &bits) ||
                  (slash[1] == '0' && slash[2]) || bits > (c.v6 ? 128 : 32)))
        return false;
    c.bits = (unsigned)bits;
    if (strict && !host_bits_zero(&c))
        return false;
    *ret = c;
    return true;
}

bool cidr_contains(const Cidr *net, const Cidr *addr)
{
    if (net->v6 != addr->v6 || net->bits > addr->bits)
        return false;
    size_t whole = net->bits / 8;
    unsigned rest = net->bits % 8;
    if (memcmp(net->addr, addr->addr, whole) != 0)
        return false;
    return !rest || ((net->addr[whole] ^ addr->addr[whole]) >> (8 - rest)) == 0;
}
