/* cli/doc.h - documents a user writes: YAML or JSON from a file, standard input or an editor, and
 * --set changes. */
#pragma once
#include "out.h"

/* PATH or "-" for standard input; one document. */
ErrCode doc_read(Cli *c, const char *path, cJSON **ret, Error *err) MUST_USE;
/* Every document of the file, of all *.yaml, *.yml and *.json in a folder (sorted), or of standard
 * input. */
ErrCode doc_read_all(Cli *c, const char *path, cJSON **ret_array, Error *err) MUST_USE;
/* "parameters.work_mem=16MB". A value becomes what it looks like (true, false, a whole number),
 * text in double quotes stays text, and a parameter is text always; "path=" takes the field out. A
 * dot inside a key is written "\\.". */
ErrCode doc_set(cJSON *doc, const char *assignment, Error *err) MUST_USE;
/* Only the members of `doc` that a profile or rule takes as input: drops what the server adds. */
void doc_keep(cJSON *doc, const char *const *members);

/* The $EDITOR loop: writes `text`, runs VISUAL/EDITOR/vi, hands what came back to `save`. When save
 * fails, the editor opens again with the errors as comments on top; leaving the text unchanged, or
 * empty, ends it. The draft is kept when it ends with an error. Exit status. */
typedef int (*DocSave)(Cli *c, cJSON *doc, StrBuf *errors,
                       void *ctx); /* 0 saved; else errors has comment lines */
/* What central refused, as the comment lines that save puts into errors. */
void doc_errors(Cli *c, const Error *err, const cJSON *reply, StrBuf *errors);
int doc_edit(Cli *c, const char *name, const char *text, DocSave save, void *ctx);
