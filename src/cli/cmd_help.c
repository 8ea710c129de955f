#include "cmd.h"
#include "out.h"

static void add_padded(StrBuf *out, const char *text, size_t width)
{
    strbuf_addf(out, "  %-*s", (int)width, text);
    if (strlen(text) >= width)
        strbuf_addf(out, "\n  %-*s", (int)width, "");
}

static void opt_label(StrBuf *out, const OptSpec *o)
{
    if (o->letter)
        strbuf_addf(out, "-%c, ", o->letter);
    strbuf_addf(out, "--%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
}

static void list_options(StrBuf *out, const OptSpec *o)
{
    for (; o && o->name; o++) {
        AUTO_STRBUF label = {0};
        opt_label(&label, o);
        add_padded(out, label.p, 28);
        strbuf_addf(out, "%s\n", o->help);
    }
}

void cmd_usage(const CmdSpec *cmd, StrBuf *out)
{
    strbuf_addf(out, "swarmctl %s", cmd->path);
    for (const ArgSpec *s = cmd->args; s && s->name; s++)
        strbuf_addf(out, " %s%s%s%s", s->optional ? "[" : "", s->name, s->many ? "..." : "",
                    s->optional ? "]" : "");
    if (cmd->opts)
        strbuf_adds(out, " [options]");
    if (cmd->passthrough)
        strbuf_adds(out, " [-- ARGS...]");
}

static void command_help(const CmdSpec *cmd, StrBuf *out)
{
    strbuf_addf(out, "%s\n\nUsage: ", cmd->summary);
    cmd_usage(cmd, out);
    strbuf_addc(out, '\n');
    if (cmd->example)
        strbuf_addf(out, "\nExamples:\n%s", cmd->example);
    if (cmd->about) {
        strbuf_addc(out, '\n');
        out_fold(out, cmd->about, 79);
    }
    if (cmd->args && cmd->args->name) {
        strbuf_adds(out, "\nArguments:\n");
        for (const ArgSpec *s = cmd->args; s->name; s++) {
            add_padded(out, s->name, 28);
            strbuf_addf(out, "%s\n", s->help);
        }
    }
    if (cmd->opts) {
        strbuf_adds(out, "\nOptions:\n");
        list_options(out, cmd->opts);
    }
    strbuf_adds(out, "\nOptions of every command: swarmctl --help\n");
}

static void list_commands(StrBuf *out, const char *group)
{
    for (size_t i = 0; CMD_TABLE[i]; i++) {
        const CmdSpec *c = CMD_TABLE[i];
        bool in_group = strchr(c->path, ' ') != NULL;
        if (c->hidden ||
            (group ? !str_starts(c->path, group) || c->path[strlen(group)] != ' ' : in_group))
            continue;
        add_padded(out, c->path, 22);
        strbuf_addf(out, "%s\n", c->summary);
    }
}

static void group_help(const char *group, StrBuf *out)
{
    for (const CmdGroup *g = CMD_GROUPS; g->noun; g++)
        if (str_eq(g->noun, group))
            strbuf_addf(out, "%s\n\nUsage: swarmctl %s COMMAND\n\n", g->summary, group);
    list_commands(out, group);
}

static void top_help(StrBuf *out)
{
    strbuf_adds(out, "PG-Swarm: PostgreSQL clusters at many Kubernetes sites\n\n"
                     "Usage: swarmctl [options] COMMAND\n\nStart here:\n"
                     "  swarmctl sandbox up     a whole system on this machine\n"
                     "  swarmctl login URL      a central that already runs\n"
                     "  swarmctl status         what is broken, first\n\n");
    for (const CmdGroup *g = CMD_GROUPS; g->noun; g++) {
        strbuf_addf(out, "%s\n", g->summary);
        list_commands(out, g->noun);
    }
    strbuf_adds(out, "Other commands\n");
    list_commands(out, NULL);
    strbuf_adds(out, "\nOptions of every command:\n");
    list_options(out, CMD_COMMON);
    strbuf_adds(out, "\nMore: swarmctl COMMAND --help, man swarmctl, man swarm-exit\n");
}

void cmd_help(const Invocation *inv, StrBuf *out)
{
    if (inv->cmd)
        command_help(inv->cmd, out);
    else if (inv->group)
        group_help(inv->group, out);
    else
        top_help(out);
}
