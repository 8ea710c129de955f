/* cli/out.h - one JSON answer in the format the user asked for: table, wide, json, yaml, ndjson,
 * csv, name, jsonpath=.
 *
 * Columns are rows of a table {heading, where, how}: the same items make every format, so a fact in
 * a table is also in -o json. */
#pragma once
#include "cli.h"
#include "codec/json.h"

typedef enum ColKind {
    COL_TEXT,
    COL_STATE, /* coloured word with a sign, so that colour alone never tells */
    COL_BYTES, /* 18.2 MB */
    COL_SECONDS,
    COL_AGE, /* since an RFC 3339 time */
    COL_TIME,
    COL_LABELS,
    COL_BOOL,
} ColKind;

typedef struct Column {
    const char *head;
    const char *path; /* dotted path in the item; NULL: fn */
    ColKind kind;
    bool wide; /* only with -o wide */
    bool right;
    const char *(*fn)(Arena *a, const cJSON *item);
} Column;

/* Print {"items": [...]}: an empty list prints `none` on stderr in the table format. name_prefix:
 * "cluster/" for -o name. */
int out_list(Cli *c, const Column *cols, cJSON *items, const char *name_prefix);
/* Print one object; in the table format by `show`, which writes for people. */
int out_object(Cli *c, cJSON *obj, const char *name_prefix, void (*show)(Cli *c, const cJSON *obj));
/* Is a text for people asked for (table, wide), not for programs? */
bool out_for_people(const Cli *c);
/* json, yaml, jsonpath only, for what has no columns. */
int out_tree(Cli *c, const cJSON *tree);

/* One table, whatever the format asked for: a part of a text for people. */
void out_table(Cli *c, const Column *cols, const cJSON *items);
void out_text(Cli *c, const char *s,
              size_t n); /* stdout, all of it; a closed pipe ends the program quietly */
const char *out_bytes(Arena *a, double n);
const char *out_age(Arena *a, const char *rfc3339);
/* Text with the colour of a state ("running", "failed", ...), when colours are on. */
const char *out_state(const Cli *c, const char *state);
/* Width of UTF-8 text on a terminal, in cells. */
size_t out_width(const char *s);
/* Lines of at most `width` bytes (0: as they are), broken between words; each goes on with the
 * indentation it began with, and ends with a newline. */
void out_fold(StrBuf *out, const char *text, size_t width);

/* A template of kubectl's kind: {.items[*].name}{"\n"}, {range .items[*]}...{end}, filters
 * [?(@.state=="failed")]. */
ErrCode jsonpath_print(const cJSON *root, const char *tmpl, StrBuf *out, Error *err) MUST_USE;
/* The text of a fact by its dotted path (codec/json.h json_at); "" when absent. */
const char *item_text(Arena *a, const cJSON *item, const char *path);
