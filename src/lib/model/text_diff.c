#include "model/profile_files.h"

/* Longest common subsequence over lines: files of a profile have hundreds, so a table is fine; what
 * is larger is shown as removed and added whole. */
enum { CONTEXT = 3, CELLS_MAX = 4 * 1000 * 1000 };

typedef struct Lines {
    StrView *at;
    size_t n;
} Lines;

typedef struct Edit {
    char op; /* ' ' '-' '+' */
    StrView line;
    size_t old_no, new_no; /* from 1: of this line, or of the next one on that side */
} Edit;

static Lines split_lines(Arena *a, StrView text)
{
    Lines l = {.n = 0};
    for (size_t i = 0; i < text.n; i++)
        l.n += text.p[i] == '\n' || i + 1 == text.n;
    l.at = arena_array(a, StrView, l.n + 1);
    for (size_t i = 0; i < l.n; i++)
        l.at[i] = sv_cut(&text, '\n');
    return l;
}

/* lcs[i][j]: of old from i on and new from j on. */
static uint32_t *lcs_table(Arena *a, const Lines *x, const Lines *y)
{
    size_t w = y->n + 1;
    uint32_t *t = arena_array(a, uint32_t, (x->n + 1) * w);
    for (size_t i = x->n; i-- > 0;)
        for (size_t j = y->n; j-- > 0;) {
            uint32_t down = t[(i + 1) * w + j], right = t[i * w + j + 1];
            t[i * w + j] = sv_eq(x->at[i], y->at[j]) ? t[(i + 1) * w + j + 1] + 1
                           : down >= right           ? down
                                                     : right;
        }
    return t;
}

static size_t edits_of(Arena *a, const Lines *x, const Lines *y, Edit **ret)
{
    size_t i = 0, j = 0, n = 0, w = y->n + 1;
    Edit *e = arena_array(a, Edit, x->n + y->n + 1);
    uint32_t *t = (x->n + 1) * w <= CELLS_MAX ? lcs_table(a, x, y) : NULL;
    while (i < x->n || j < y->n) {
        bool both = i < x->n && j < y->n;
        if (t && both && sv_eq(x->at[i], y->at[j])) {
            e[n++] = (Edit){' ', x->at[i], i + 1, j + 1};
            i++;
            j++;
        } else if (i < x->n && (!both || !t || t[(i + 1) * w + j] >= t[i * w + j + 1])) {
            e[n++] = (Edit){'-', x->at[i], i + 1, j + 1};
            i++;
        } else {
            e[n++] = (Edit){'+', y->at[j], i + 1, j + 1};
            j++;
        }
    }
    *ret = e;
    return n;
}

/* "12,3" as in a hunk's head; an empty side names the line before it. */
static void add_range(StrBuf *out, size_t start, size_t count)
{
    if (count == 0)
        start--;
    if (count == 1)
        strbuf_addf(out, "%zu", start);
    else
        strbuf_addf(out, "%zu,%zu", start, count);
}

static void add_hunk(StrBuf *out, const Edit *e, size_t from, size_t to)
{
    size_t olds = 0, news = 0;
    for (size_t i = from; i < to; i++) {
        olds += e[i].op != '+';
        news += e[i].op != '-';
    }
    strbuf_adds(out, "@@ -");
    add_range(out, e[from].old_no, olds);
    strbuf_adds(out, " +");
    add_range(out, e[from].new_no, news);
    strbuf_adds(out, " @@\n");
    for (size_t i = from; i < to; i++)
        strbuf_addf(out, "%c" SV_FMT "\n", e[i].op, SV_ARG(e[i].line));
}

void text_diff(StrBuf *out, const char *name, StrView before, StrView after)
{
    if (sv_eq(before, after))
        return;
    AUTO_ARENA a = arena_new();
    Edit *e;
    Lines x = split_lines(a, before), y = split_lines(a, after);
    size_t n = edits_of(a, &x, &y, &e), i = 0;
    strbuf_addf(out, "--- a/%s\n+++ b/%s\n", name, name);
    while (i < n) {
        if (e[i].op == ' ') {
            i++;
            continue;
        }
        size_t from = i > CONTEXT ? i - CONTEXT : 0, last = i, to;
        for (size_t k = i; k < n && k <= last + 2 * CONTEXT; k++)
            if (e[k].op != ' ')
                last = k;
        to = last + 1 + CONTEXT < n ? last + 1 + CONTEXT : n;
        add_hunk(out, e, from, to);
        i = to;
    }
}
