/* Man pages and completions, printed from the command table. `make generated` writes them;
 * check-generated compares. */
#include "cmd.h"

#include <ctype.h>

static void roff_text(StrBuf *out, const char *s)
{
    for (bool bol = true; *s; s++) {
        if (bol && (*s == '.' || *s == '\''))
            strbuf_adds(out, "\\&");
        if (*s == '-')
            strbuf_adds(out, "\\-");
        else if (*s == '\\')
            strbuf_adds(out, "\\e");
        else
            strbuf_addc(out, *s);
        bol = *s == '\n';
    }
}

static void roff_options(StrBuf *out, const OptSpec *o)
{
    for (; o && o->name; o++) {
        strbuf_adds(out, ".TP\n");
        if (o->letter)
            strbuf_addf(out, "\\fB\\-%c\\fR, ", o->letter);
        strbuf_adds(out, "\\fB\\-\\-");
        roff_text(out, o->name);
        strbuf_adds(out, "\\fR");
        if (o->arg) {
            strbuf_adds(out, " \\fI");
            roff_text(out, o->arg);
            strbuf_adds(out, "\\fR");
        }
        strbuf_addc(out, '\n');
        roff_text(out, o->help);
        strbuf_addc(out, '\n');
    }
}

static void roff_example(StrBuf *out, const char *example)
{
    strbuf_adds(out, ".SH EXAMPLES\n.nf\n");
    roff_text(out, example);
    strbuf_adds(out, ".fi\n");
}

static void roff_head(StrBuf *out, const char *title, const char *name, const char *summary)
{
    strbuf_addf(out, ".TH \"%s\" 1 \"\" \"PG-Swarm " PGSWARM_VERSION "\" \"PG-Swarm\"\n.SH NAME\n",
                title);
    roff_text(out, name);
    strbuf_adds(out, " \\- ");
    roff_text(out, summary);
    strbuf_addc(out, '\n');
}

static void man_command(StrBuf *out, const CmdSpec *c)
{
    AUTO_STRBUF name = {0}, title = {0}, usage = {0};
    strbuf_addf(&name, "swarmctl-%s", c->path);
    for (char *p = name.p; *p; p++)
        if (*p == ' ')
            *p = '-';
    for (const char *p = name.p; *p; p++)
        strbuf_addc(&title, (char)toupper((unsigned char)*p));
    roff_head(out, title.p, name.p, c->summary);
    cmd_usage(c, &usage);
    strbuf_adds(out, ".SH SYNOPSIS\n.B ");
    roff_text(out, usage.p);
    strbuf_adds(out, "\n.SH DESCRIPTION\n");
    roff_text(out, c->summary);
    strbuf_adds(out, ".\n");
    if (c->about) {
        strbuf_adds(out, ".PP\n");
        roff_text(out, c->about);
        strbuf_addc(out, '\n');
    }
    for (const ArgSpec *s = c->args; s && s->name; s++) {
        strbuf_adds(out, ".TP\n.I ");
        roff_text(out, s->name);
        strbuf_addc(out, '\n');
        roff_text(out, s->help);
        strbuf_addc(out, '\n');
    }
    if (c->opts) {
        strbuf_adds(out, ".SH OPTIONS\n");
        roff_options(out, c->opts);
    }
    if (c->example)
        roff_example(out, c->example);
    strbuf_adds(out, ".SH SEE ALSO\n.BR swarmctl (1),\n.BR swarm-exit (7)\n");
}

static void man_top(StrBuf *out)
{
    roff_head(out, "SWARMCTL", "swarmctl", "PostgreSQL clusters at many Kubernetes sites");
    strbuf_adds(out, ".SH SYNOPSIS\n.B swarmctl\n[options]\n.I COMMAND\n.SH DESCRIPTION\n"
                     "Talks to PG\\-Swarm central over REST. Data goes to standard output, talk to "
                     "standard error.\n");
    for (const CmdGroup *g = CMD_GROUPS; g->noun; g++) {
        strbuf_addf(out, ".SS %s\n", g->summary);
        for (size_t i = 0; CMD_TABLE[i]; i++) {
            const CmdSpec *c = CMD_TABLE[i];
            size_t n = strlen(g->noun);
            if (c->hidden || !str_starts(c->path, g->noun) || (c->path[n] != ' ' && c->path[n]))
                continue;
            strbuf_addf(out, ".TP\n.B %s\n", c->path);
            roff_text(out, c->summary);
            strbuf_addc(out, '\n');
        }
    }
    strbuf_adds(out, ".SS Other commands\n");
    for (size_t i = 0; CMD_TABLE[i]; i++)
        if (!CMD_TABLE[i]->hidden && !strchr(CMD_TABLE[i]->path, ' ')) {
            strbuf_addf(out, ".TP\n.B %s\n", CMD_TABLE[i]->path);
            roff_text(out, CMD_TABLE[i]->summary);
            strbuf_addc(out, '\n');
        }
    strbuf_adds(out, ".SH OPTIONS\n");
    roff_options(out, CMD_COMMON);
    strbuf_adds(out,
                ".SH ENVIRONMENT\n.TP\n.B SWARM_CONTEXT\nThe context to use, as \\-\\-context.\n"
                ".TP\n.B SWARM_TOKEN\nA token that goes before the context's own.\n"
                ".TP\n.B NO_COLOR, CLICOLOR_FORCE\nNo colour; colour even in a pipe.\n"
                ".TP\n.B ACCESSIBLE\nNothing is drawn over: operations are told a line a step.\n"
                ".TP\n.B PGSWARM_SANDBOX_DIR\nWhere the sandbox keeps its state.\n"
                ".SH FILES\n.TP\n.I $XDG_CONFIG_HOME/swarm/config.json\nContexts and their tokens, "
                "mode 0600.\n.SH SEE ALSO\n.BR swarm-exit (7),\n.BR kubectl (1),\n.BR psql (1)\n");
}

/* swarm-exit(7), from the same table that maps errors to HTTP and gRPC. */
static void man_exit(StrBuf *out)
{
    static const char *const OTHERS[][2] = {
        {"0", "Done."},
        {"1", "A negative answer: the diff differs, the check is not healthy, the question was "
              "answered with no."},
        {"3", "A part of a bulk failed."},
        {"8",
         "Not in time, or how an operation ended is unknown: it may go on, its id is printed."},
        {"10", "The operation failed and was rolled back."},
        {"11", "It failed after the point of no return."},
        {"12", "Needs a confirmation, and there is no terminal to ask on."},
        {"128+N", "Ended by signal N."},
    };
    strbuf_adds(out, ".TH \"SWARM\\-EXIT\" 7 \"\" \"PG-Swarm " PGSWARM_VERSION
                     "\" \"PG-Swarm\"\n.SH NAME\n"
                     "swarm\\-exit \\- exit statuses of swarmctl\n.SH DESCRIPTION\n"
                     "A script can trust these. What \\fIcode\\fR an error has is in its first "
                     "line, and in -o json.\n");
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++)
        strbuf_addf(out, ".TP\n.B %s\n%s\n", OTHERS[i][0], OTHERS[i][1]);
    for (int code = 1; code < ERR_CODE_COUNT; code++)
        strbuf_addf(out, ".TP\n.B %d\n\\fI%s\\fR (HTTP %d, gRPC %d)\n", err_exit((ErrCode)code),
                    err_name((ErrCode)code), err_http((ErrCode)code), err_grpc((ErrCode)code));
    strbuf_adds(out, ".SH SEE ALSO\n.BR swarmctl (1)\n");
}

static ErrCode dump_man(const char *name, StrBuf *out, Error *err)
{
    if (str_eq(name, "swarmctl")) {
        man_top(out);
        return ERR_OK;
    }
    if (str_eq(name, "swarm-exit")) {
        man_exit(out);
        return ERR_OK;
    }
    for (size_t i = 0; CMD_TABLE[i]; i++) {
        AUTO_STRBUF file = {0};
        strbuf_addf(&file, "swarmctl-%s", CMD_TABLE[i]->path);
        for (char *p = file.p; *p; p++)
            if (*p == ' ')
                *p = '-';
        if (str_eq(file.p, name)) {
            man_command(out, CMD_TABLE[i]);
            return ERR_OK;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "no manual page '%s'", name);
}

static void dump_man_list(StrBuf *out)
{
    strbuf_adds(out, "swarmctl\n");
    for (size_t i = 0; CMD_TABLE[i]; i++) {
        if (CMD_TABLE[i]->hidden)
            continue;
        strbuf_adds(out, "swarmctl-");
        for (const char *p = CMD_TABLE[i]->path; *p; p++)
            strbuf_addc(out, *p == ' ' ? '-' : *p);
        strbuf_addc(out, '\n');
    }
}

/* The shells hold no knowledge of their own: each asks `swarmctl __complete`, which walks the same
 * table. */
static const char BASH[] = "# bash completion for swarmctl; printed by `swarmctl completion bash`\n"
                           "_swarmctl() {\n"
                           "    local cur=${COMP_WORDS[COMP_CWORD]} line\n"
                           "    COMPREPLY=()\n"
                           "    while IFS= read -r line; do\n"
                           "        [ \"$line\" = ':files' ] && { compopt -o default; continue; }\n"
                           "        COMPREPLY+=(\"${line%%$'\\t'*}\")\n"
                           "    done < <(swarmctl __complete -- "
                           "\"${COMP_WORDS[@]:1:COMP_CWORD-1}\" \"$cur\" 2>/dev/null)\n"
                           "}\n"
                           "complete -F _swarmctl swarmctl\n";
static const char ZSH[] = "#compdef swarmctl\n"
                          "# zsh completion for swarmctl; printed by `swarmctl completion zsh`\n"
                          "_swarmctl() {\n"
                          "    local -a plain described\n"
                          "    local line\n"
                          "    swarmctl __complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null | "
                          "while IFS= read -r line; do\n"
                          "        if [[ $line == ':files' ]]; then _files; continue; fi\n"
                          "        described+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\")\n"
                          "    done\n"
                          "    (( ${#described} )) && _describe swarmctl described\n"
                          "}\n"
                          "compdef _swarmctl swarmctl\n";
static const char FISH[] =
    "# fish completion for swarmctl; printed by `swarmctl completion fish`\n"
    "complete -c swarmctl -f -a '(swarmctl __complete -- (commandline -opc)[2..-1] "
    "(commandline -ct) 2>/dev/null | string match -v \":files\")'\n";

ErrCode cmd_dump(const char *what, StrBuf *out, Error *err)
{
    if (str_eq(what, "bash"))
        strbuf_adds(out, BASH);
    else if (str_eq(what, "zsh"))
        strbuf_adds(out, ZSH);
    else if (str_eq(what, "fish"))
        strbuf_adds(out, FISH);
    else if (str_eq(what, "man-list"))
        dump_man_list(out);
    else if (str_starts(what, "man:"))
        return dump_man(what + 4, out, err);
    else
        return err_set(err, ERR_USAGE, "'%s' is not one of bash zsh fish man-list man:PAGE", what);
    return ERR_OK;
}
