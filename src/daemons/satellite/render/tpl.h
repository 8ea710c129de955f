/* render/tpl.h - Kubernetes objects written as text that looks like them.
 *
 * The template is JSON with single quotes. In it: %s a text value (quoted and escaped; NULL gives
 * null), %S the same inside of quotes that stand there already, %d an int, %b a bool, %j a tree
 * (taken over; NULL gives null), %v a StrView as a text value. A template that is not JSON is a
 * bug of ours and aborts. */
#pragma once
#include "core/str.h"
#include <cjson/cJSON.h>

cJSON *tpl(const char *template, ...);
/* Add `item` under `key` when it is not NULL. */
void tpl_add(cJSON *obj, const char *key, cJSON *item);
