/* cli/cmd.h - the command table: the one source of parser, help, man pages and completions.
 *
 * A command is a row {path, texts, arguments, options, run}. Options of COMMON apply to every
 * command. run returns the exit status of the process (swarm-exit(7)); a failure goes through
 * cli_fail, which prints it and picks the status. */
#pragma once
#include "core/arena.h"
#include "core/str.h"

typedef struct Cli Cli;

/* What may stand at a place: for completion, and for the texts that name it. */
typedef enum Completer {
    COMP_NONE,
    COMP_CLUSTER,
    COMP_SATELLITE,
    COMP_PROFILE,
    COMP_RULE,
    COMP_POD,       /* of the cluster that the words before name */
    COMP_REPLICA,   /* the same, without its primary */
    COMP_OPERATION, /* that has not ended */
    COMP_CONTEXT,
    COMP_FILE,
    COMP_COMMAND,
    COMP_CHOICE, /* one of OptSpec.choices */
} Completer;

typedef struct OptSpec {
    const char *name; /* long name without dashes */
    char letter;      /* 0: none */
    const char *arg;  /* placeholder of its value, NULL: a flag */
    const char *help;
    Completer comp;
    const char *choices; /* "table|wide|json": checked by the parser */
    bool many;           /* may be given again */
} OptSpec;

typedef struct ArgSpec {
    const char *name; /* "CLUSTER" */
    const char *help;
    Completer comp;
    bool optional, many;
} ArgSpec;

typedef struct CmdSpec {
    const char *path;    /* "cluster list" */
    const char *aliases; /* other paths, separated by '|'; NULL: none */
    const char *summary; /* one line, no full stop */
    const char *about;   /* paragraphs for man and help; NULL: none */
    const char *example; /* lines "command   # what it does" */
    const ArgSpec *args; /* ends with name NULL; NULL: none */
    const OptSpec *opts; /* ends with name NULL; NULL: none of its own */
    int (*run)(Cli *c);
    bool offline;     /* needs no context */
    bool passthrough; /* what follows "--" is another program's */
    bool hidden;
} CmdSpec;

extern const CmdSpec *const CMD_TABLE[]; /* in the order of help; ends with NULL */
extern const OptSpec CMD_COMMON[];

/* One noun of the table, for help: "cluster" -> "PostgreSQL clusters". */
typedef struct CmdGroup {
    const char *noun, *summary;
} CmdGroup;
extern const CmdGroup CMD_GROUPS[];

const CmdSpec *cmd_find(const char *path);
const OptSpec *cmd_option(const CmdSpec *cmd, const char *name); /* its own or common; NULL */

/* ---- parsing ---- */
typedef struct OptValue {
    const OptSpec *spec;
    const char *value; /* "" for a flag */
} OptValue;

typedef struct Invocation {
    const CmdSpec *cmd; /* NULL: only a group or nothing was named */
    const char *group;  /* "cluster" when only the noun was given */
    bool help, version;
    const char **args;
    size_t nargs;
    OptValue *opts;
    size_t nopts;
    const char **rest; /* behind "--" of a passthrough command */
    size_t nrest;
} Invocation;

/* argv without the program's name. ERR_USAGE with a did-you-mean when it does not parse. */
ErrCode cmd_parse(Arena *a, size_t argc, const char *const *argv, Invocation *ret,
                  Error *err) MUST_USE;

/* ---- texts made from the table ---- */
void cmd_help(const Invocation *inv, StrBuf *out); /* what --help prints */
void cmd_usage(const CmdSpec *cmd, StrBuf *out);   /* one line */
ErrCode cmd_dump(const char *what, StrBuf *out,
                 Error *err) MUST_USE; /* bash zsh fish man:NAME man-list json */
