/* model/cidr.h - IPv4 and IPv6 networks in CIDR form. */
#pragma once
#include "core/str.h"

typedef struct Cidr {
    unsigned char addr[16]; /* network order; IPv4 uses the first four */
    unsigned bits;
    bool v6;
} Cidr;

/* "10.0.0.0/8", "::1/128"; a plain address is a network of one. Host bits must be zero when
 * `strict`. */
bool cidr_parse(const char *s, bool strict, Cidr *ret);
bool cidr_contains(const Cidr *net, const Cidr *addr);
