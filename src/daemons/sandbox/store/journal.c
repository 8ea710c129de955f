#include "store/journal.h"
#include "core/file.h"
#include "store/js.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

enum { REWRITE_MIN = 8 * 1024 * 1024, FILE_LIMIT = 1024 * 1024 * 1024 };

struct Journal {
    char *path, *tmp_path;
    int fd, lock_fd, old_fd; /* old_fd: the file that is being replaced */
    off_t size, size_after_rewrite;
    bool dirty;
};

static ErrCode take_lock(Journal *j, const char *dir, Error *err)
{
    char *path = xasprintf("%s/lock", dir);
    j->lock_fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    ErrCode rc = ERR_OK;
    if (j->lock_fd < 0) {
        rc = err_errno(err, errno, "%s", path);
    } else if (flock(j->lock_fd, LOCK_EX | LOCK_NB)) {
        rc = err_set(err, ERR_UNAVAILABLE, "%s: another process serves this folder", dir);
    }
    free(path);
    return rc;
}

static bool load_line(const JournalLoad *load, StrView line)
{
    AUTO_JSON o = NULL;
    if (js_parse(line, &o, NULL)) {
        return false;
    }
    uint64_t rv;
    const Kind *k = kind_by_name(js_text(o, "v"), js_text(o, "k"));
    const char *key = js_str(o, "n");
    if (!str_to_u64(js_text(o, "rv"), &rv)) {
        return false;
    }
    if (k && key) { /* a kind that an older program knew and we do not is left behind */
        load->on_line(load->ctx, rv, k, key, cJSON_DetachItemFromObjectCaseSensitive(o, "o"));
    }
    return true;
}

static ErrCode load_all(Journal *j, const JournalLoad *load, Error *err)
{
    AUTO_ARENA a = arena_new();
    StrView text;
    ErrCode rc = file_read(a, j->path, FILE_LIMIT, &text, err);
    if (rc) {
        return rc;
    }
    StrView rest = text;
    for (unsigned line = 1; rest.n; line++) {
        const char *nl = memchr(rest.p, '\n', rest.n);
        StrView one = sv_n(rest.p, nl ? (size_t)(nl - rest.p) : rest.n);
        if (!nl || !load_line(load, one)) {
            bool last = !nl || nl + 1 == rest.p + rest.n;
            if (!last) {
                return err_set(err, ERR_DATA_LOSS, "%s: line %u is damaged", j->path, line);
            }
            break;
        }
        rest = sv_n(nl + 1, rest.n - one.n - 1);
    }
    j->size = (off_t)(rest.p ? (size_t)(rest.p - text.p) : text.n);
    return ERR_OK;
}

ErrCode journal_open(const char *dir, const JournalLoad *load, Journal **ret, Error *err)
{
    Journal *j = xnew(Journal);
    j->fd = j->lock_fd = j->old_fd = -1;
    j->path = xasprintf("%s/objects.log", dir);
    j->tmp_path = xasprintf("%s/objects.log.new", dir);
    ErrCode rc = file_mkdirs(dir, 0700, err);
    rc = rc ? rc : take_lock(j, dir, err);
    if (!rc) {
        j->fd = open(j->path, O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
        rc = j->fd < 0 ? err_errno(err, errno, "%s", j->path) : load_all(j, load, err);
    }
    if (!rc && ftruncate(j->fd, j->size)) {
        rc = err_errno(err, errno, "%s", j->path);
    }
    if (rc) {
        journal_close(j);
        return rc;
    }
    j->size_after_rewrite = j->size;
    *ret = j;
    return ERR_OK;
}

static void close_fd(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

void journal_close(Journal *j)
{
    if (!j) {
        return;
    }
    if (j->fd >= 0) {
        fdatasync(j->fd);
    }
    close_fd(j->fd);
    close_fd(j->lock_fd);
    close_fd(j->old_fd);
    free(j->path);
    free(j->tmp_path);
    free(j);
}

static ErrCode write_all(Journal *j, const char *p, size_t n, Error *err)
{
    size_t at = 0;
    while (at < n) {
        ssize_t w = write(j->fd, p + at, n - at);
        if (w < 0 && errno == EINTR) {
            continue;
        }
        if (w < 0) {
            ErrCode rc = err_errno(err, errno, "%s", j->path);
            if (ftruncate(j->fd, j->size)) { /* half a line must not stay in front of the next */
                BUG("%s cannot be written nor cut: %s", j->path, strerror(errno));
            }
            return rc;
        }
        at += (size_t)w;
    }
    j->size += (off_t)n;
    j->dirty = true;
    return ERR_OK;
}

ErrCode journal_put(Journal *j, uint64_t rv, const Kind *k, const char *key, const cJSON *obj,
                    Error *err)
{
    AUTO_STRBUF b = {0};
    AUTO_JSON name = cJSON_CreateString(key);
    char *quoted = js_print(name);
    strbuf_addf(&b, "{\"rv\":\"%llu\",\"v\":\"%s\",\"k\":\"%s\",\"n\":%s", (unsigned long long)rv,
                kind_api_version(k), k->kind, quoted);
    free(quoted);
    if (obj) {
        char *text = js_print(obj);
        strbuf_adds(&b, ",\"o\":");
        strbuf_adds(&b, text);
        free(text);
    }
    strbuf_adds(&b, "}\n");
    return write_all(j, b.p, b.n, err);
}

bool journal_wants_rewrite(const Journal *j)
{
    return j->size > REWRITE_MIN && j->size > 4 * j->size_after_rewrite;
}

ErrCode journal_rewrite_begin(Journal *j, Error *err)
{
    int fd = open(j->tmp_path, O_CREAT | O_TRUNC | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_errno(err, errno, "%s", j->tmp_path);
    }
    j->old_fd = j->fd;
    j->fd = fd;
    j->size = 0;
    return ERR_OK;
}

ErrCode journal_rewrite_end(Journal *j, Error *err)
{
    if (fdatasync(j->fd) || rename(j->tmp_path, j->path)) {
        ErrCode rc = err_errno(err, errno, "%s", j->tmp_path);
        close_fd(j->fd); /* go on with the old file: it has everything */
        j->fd = j->old_fd;
        j->old_fd = -1;
        j->size = lseek(j->fd, 0, SEEK_END);
        j->size_after_rewrite = j->size;
        return rc;
    }
    close_fd(j->old_fd);
    j->old_fd = -1;
    j->size_after_rewrite = j->size;
    return ERR_OK;
}

int journal_unsynced(Journal *j)
{
    int fd = j->dirty ? j->fd : -1;
    j->dirty = false;
    return fd;
}
