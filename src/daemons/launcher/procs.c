#include "procs.h"

#include "core/vec.h"
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct ProcRow {
    pid_t pid, parent;
    char state;
} ProcRow;
typedef VEC(ProcRow) ProcVec;

static bool read_stat(pid_t pid, ProcRow *ret)
{
    char path[64], buf[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, buf, sizeof buf - 1);
    close(fd);
    if (n <= 0)
        return false;
    buf[n] = 0;
    /* The name may hold anything, so read behind its closing bracket. */
    const char *end = strrchr(buf, ')');
    int parent;
    if (!end || sscanf(end + 1, " %c %d", &ret->state, &parent) != 2)
        return false;
    ret->pid = pid;
    ret->parent = parent;
    return true;
}

static void read_all(ProcVec *v)
{
    DIR *d = opendir("/proc");
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));) {
        uint64_t pid;
        ProcRow row;
        if (str_to_u64(e->d_name, &pid) && read_stat((pid_t)pid, &row))
            vec_push(v, row);
    }
    closedir(d);
}

static const ProcRow *find(const ProcVec *v, pid_t pid)
{
    for (size_t i = 0; i < v->n; i++)
        if (v->at[i].pid == pid)
            return &v->at[i];
    return NULL;
}

static bool is_below(const ProcVec *v, const ProcRow *row, pid_t root, pid_t except)
{
    for (unsigned hops = 0; row && hops < 64; hops++) {
        if (except && row->pid == except)
            return false;
        if (row->parent == root)
            return !(except && row->pid == except);
        row = find(v, row->parent);
    }
    return false;
}

static bool alive(const ProcRow *row)
{
    return row->state != 'Z' && row->state != 'X';
}

unsigned procs_below_us(pid_t except, int signum)
{
    ProcVec v = {0};
    unsigned n = 0;
    read_all(&v);
    for (size_t i = 0; i < v.n; i++)
        if (alive(&v.at[i]) && is_below(&v, &v.at[i], getpid(), except)) {
            n++;
            if (signum)
                kill(v.at[i].pid, signum);
        }
    vec_done(&v);
    return n;
}

unsigned procs_in_folder(const char *folder, int signum)
{
    struct stat want, cwd;
    if (stat(folder, &want))
        return 0;
    ProcVec v = {0};
    unsigned n = 0;
    read_all(&v);
    for (size_t i = 0; i < v.n; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/cwd", (int)v.at[i].pid);
        if (v.at[i].pid == getpid() || !alive(&v.at[i]) || stat(path, &cwd) ||
            cwd.st_dev != want.st_dev || cwd.st_ino != want.st_ino)
            continue;
        n++;
        if (signum)
            kill(v.at[i].pid, signum);
    }
    vec_done(&v);
    return n;
}
