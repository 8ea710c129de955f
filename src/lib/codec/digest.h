/* codec/digest.h - SHA-256 as hex digits. */
#pragma once
#include "core/str.h"

enum { SHA256_HEX = 64 };
void sha256_hex(char ret[SHA256_HEX + 1], const void *p, size_t n);
