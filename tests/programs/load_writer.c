/* Clients that write all the time, and what became of what was acknowledged to them.
 *   load_writer init  --dsn DSN                       the table, empty
 *   load_writer run   --dsn DSN --log FILE [--writers N] [--every-ms N]   until SIGTERM or the end
 *                                                                         of stdin
 *   load_writer check --dsn DSN --log FILE.. [--since-us T] [--until-us T]   one line of JSON
 *
 * Each writer inserts ids that are never used twice, one at a time, and reconnects after 20 ms when
 * a statement fails or is silent for a second. Any DSN of libpq will do, also one with many hosts.
 * `check` finds: acknowledged rows that are missing, the longest time without an acknowledgement,
 * and for how long two timelines were acknowledged side by side.
 *
 * Beside the writers stand witnesses of the machine: one on each processor that naps and notes when
 * a nap ended late, one that writes a block through to the disk and notes when that took long. A
 * limit of time that was missed while the machine itself stood still was not measured. */
#include "ack_log.h"
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

enum {
    STATEMENT_US = 1000000,
    RECONNECT_US = 20000,
    WITNESS_NAP_US = 50000,
    DISK_EVERY_US = 200000,
    STALL_US = 100000, /* what is noted at all */
    WITNESSES_MAX = 256,
    WRITERS_MAX = 64,
    LOGS_MAX = 8,
    ADDR_MAX = 48,
    NODES_MAX = 512
};

static const char *dsn, *logs[LOGS_MAX];
static int n_logs, writers = 4, every_ms = 10;
static int64_t since_us, until_us = INT64_MAX, run_id;
static volatile sig_atomic_t stop;

/* The timeline is the first part of the name of the WAL file that is being written. */
static const char INSERT[] =
    "INSERT INTO swarm_load(id) VALUES ($1::bigint) "
    "RETURNING coalesce(host(inet_server_addr()), 'local') || ':' || inet_server_port(), "
    "substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)";

static void die(const char *what)
{
    fprintf(stderr, "load_writer: %s\n", what);
    exit(2);
}

/* ---- run ---- */

/* The last thing that a server said beside its answers; "": nothing. */
typedef char Notice[160];

/* A server that ends the session says FATAL between two statements, also right behind an
 * acknowledgement: that takes nothing back. A WARNING may. */
static void on_notice(void *notice, const char *text)
{
    if (strncmp(text, "FATAL", 5) == 0)
        return;
    snprintf(notice, sizeof(Notice), "%s", text);
}

static PGconn *connect_again(Notice notice)
{
    PGconn *c = PQconnectdb(dsn);
    PQsetNoticeProcessor(c, on_notice, notice);
    if (PQstatus(c) == CONNECTION_OK)
        return c;
    log_line("E %lld connect: %s", (long long)now_us(), PQerrorMessage(c));
    PQfinish(c);
    return NULL;
}

/* False: the connection is of no use any more. */
static bool write_one(PGconn *c, int64_t id, Notice notice)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)id);
    notice[0] = 0;
    int64_t sent = now_us();
    PGresult *r = ask(c, INSERT, text, STATEMENT_US);
    int64_t acked = now_us();
    bool ok = r && PQresultStatus(r) == PGRES_TUPLES_OK;
    if (ok)
        log_line("A %lld %lld %lld %s %ld", (long long)id, (long long)sent, (long long)acked,
                 PQgetvalue(r, 0, 0), strtol(PQgetvalue(r, 0, 1), NULL, 16));
    else if (r || PQstatus(c) != CONNECTION_OK)
        log_line("E %lld %s", (long long)acked, r ? PQresultErrorMessage(r) : PQerrorMessage(c));
    else
        log_line("N %lld", (long long)acked);
    if (ok && notice[0])
        log_line("W %lld %lld %s", (long long)id, (long long)acked, notice);
    PQclear(r);
    return ok;
}

static void *writer(void *arg)
{
    int64_t id = run_id << 44 | (int64_t)(intptr_t)arg << 36;
    PGconn *c = NULL;
    Notice notice = "";
    int64_t next = now_us();
    while (!stop) {
        if (!c && (c = connect_again(notice)) == NULL) {
            nap_us(RECONNECT_US);
            continue;
        }
        if (!write_one(c, ++id, notice)) {
            PQfinish(c);
            c = NULL;
            nap_us(RECONNECT_US);
        }
        next += every_ms * 1000;
        if (next < now_us())
            next = now_us(); /* no burst after an outage */
        nap_us(next - now_us());
    }
    PQfinish(c);
    return NULL;
}

/* ---- witnesses ---- */

static void note_stall(int64_t from, int64_t took, const char *what, int n)
{
    if (took >= STALL_US)
        log_line("T %lld %lld %s%d", (long long)from, (long long)took, what, n);
}

static void *cpu_witness(void *arg)
{
    int cpu = (int)(intptr_t)arg;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
    while (!stop) {
        int64_t due = now_us() + WITNESS_NAP_US;
        nap_us(WITNESS_NAP_US);
        note_stall(due, now_us() - due, "cpu", cpu);
    }
    return NULL;
}

/* Beside the log, which lies where the databases' volumes lie. */
static void *disk_witness(void *arg)
{
    char path[512], block[512] = "";
    (void)arg;
    snprintf(path, sizeof path, "%s.disk", logs[0]);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    while (fd >= 0 && !stop) {
        int64_t from = now_us();
        if (pwrite(fd, block, sizeof block, 0) < 0 || fdatasync(fd))
            break; /* full: no witness, and no excuse */
        note_stall(from, now_us() - from, "disk", 0);
        nap_us(DISK_EVERY_US);
    }
    if (fd >= 0)
        close(fd);
    unlink(path);
    return NULL;
}

static int start_witnesses(pthread_t *threads)
{
    cpu_set_t all;
    int n = 0;
    if (pthread_create(&threads[n++], NULL, disk_witness, NULL) ||
        sched_getaffinity(0, sizeof all, &all))
        die("no witness");
    for (int cpu = 0; cpu < CPU_SETSIZE && n < WITNESSES_MAX; cpu++)
        if (CPU_ISSET(cpu, &all) &&
            pthread_create(&threads[n++], NULL, cpu_witness, (void *)(intptr_t)cpu))
            die("no witness");
    return n;
}

static void on_signal(int sig)
{
    (void)sig;
    stop = 1;
}

static int run(void)
{
    pthread_t threads[WRITERS_MAX], witnesses[WITNESSES_MAX];
    if (n_logs != 1)
        die("run: one --log");
    log_to(logs[0]);
    run_id = now_us() / 100000 & 0x3ffff;
    struct sigaction sa = {.sa_handler = on_signal};
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    int n = start_witnesses(witnesses);
    for (int i = 0; i < writers; i++)
        if (pthread_create(&threads[i], NULL, writer, (void *)(intptr_t)i))
            die("no thread");
    char c;
    while (!stop && read(0, &c, 1) > 0)
        ;
    stop = 1;
    for (int i = 0; i < writers; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < n; i++)
        pthread_join(witnesses[i], NULL);
    return 0;
}

/* ---- check ---- */

typedef struct Ack {
    int64_t id, sent, acked;
    long timeline;
    char addr[ADDR_MAX];
} Ack;

static Ack *acks;
static size_t n_acks, cap_acks, n_warned, n_errors, n_silent;

static void take_line(const char *line)
{
    Ack a = {0};
    long long id, sent, acked;
    if (*line == 'W')
        n_warned++;
    if (*line == 'E')
        n_errors++;
    if (*line == 'N')
        n_silent++;
    if (*line != 'A')
        return;
    if (sscanf(line, "A %lld %lld %lld %47s %ld", &id, &sent, &acked, a.addr, &a.timeline) != 5)
        return; /* the last line of a writer that was killed */
    a.id = id, a.sent = sent, a.acked = acked;
    if (n_acks == cap_acks) {
        cap_acks = cap_acks ? cap_acks * 2 : 4096;
        acks = realloc(acks, cap_acks * sizeof *acks);
        if (!acks)
            die("out of memory");
    }
    acks[n_acks++] = a;
}

static void read_logs(void)
{
    for (int i = 0; i < n_logs; i++) {
        FILE *f = fopen(logs[i], "r");
        char line[1024];
        if (!f)
            die(logs[i]);
        while (fgets(line, sizeof line, f))
            take_line(line);
        fclose(f);
    }
}

static int by_id(const void *a, const void *b)
{
    int64_t x = ((const Ack *)a)->id, y = ((const Ack *)b)->id;
    return (x > y) - (x < y);
}
static int by_time(const void *a, const void *b)
{
    int64_t x = ((const Ack *)a)->acked, y = ((const Ack *)b)->acked;
    return (x > y) - (x < y);
}

/* Both sorted: every acknowledged id must be among the table's. */
static size_t count_lost(PGconn *c, int64_t *first_lost, int max)
{
    char lo[24], hi[24];
    size_t first = 0, lost = 0;
    qsort(acks, n_acks, sizeof *acks, by_id);
    while (first < n_acks && acks[first].id == 0)
        first++; /* probes */
    if (first == n_acks)
        return 0;
    snprintf(lo, sizeof lo, "%lld", (long long)acks[first].id);
    snprintf(hi, sizeof hi, "%lld", (long long)acks[n_acks - 1].id);
    const char *range[] = {lo, hi};
    PGresult *r = PQexecParams(
        c, "SELECT id FROM swarm_load WHERE id BETWEEN $1::bigint AND $2::bigint ORDER BY id", 2,
        NULL, range, NULL, NULL, 0);
    if (PQresultStatus(r) != PGRES_TUPLES_OK)
        die(PQerrorMessage(c));
    int row = 0, rows = PQntuples(r);
    for (size_t i = first; i < n_acks; i++) {
        while (row < rows && strtoll(PQgetvalue(r, row, 0), NULL, 10) < acks[i].id)
            row++;
        if (row < rows && strtoll(PQgetvalue(r, row, 0), NULL, 10) == acks[i].id)
            continue;
        if (lost++ < (size_t)max)
            first_lost[lost - 1] = acks[i].id;
    }
    PQclear(r);
    return lost;
}

/* Between two acknowledgements, in the window; the window's ends count too when they were given. */
static int64_t longest_gap(int64_t *ret_at)
{
    int64_t last = since_us, worst = 0;
    for (size_t i = 0; i <= n_acks; i++) {
        bool end = i == n_acks || acks[i].acked > until_us;
        int64_t t = end ? until_us : acks[i].acked;
        if (end && until_us == INT64_MAX)
            break;
        if (!end && (acks[i].id == 0 || t < since_us))
            continue;
        if (last && t - last > worst) {
            worst = t - last;
            *ret_at = last;
        }
        last = t;
        if (end)
            break;
    }
    return worst;
}

typedef struct Born {
    long timeline;
    int64_t at;
} Born;

/* When each timeline took its first write. */
static int births(Born *born)
{
    int n = 0;
    for (size_t i = 0; i < n_acks; i++) {
        int b = 0;
        while (b < n && born[b].timeline != acks[i].timeline)
            b++;
        if (b == n && n < NODES_MAX)
            born[n++] = (Born){acks[i].timeline, acks[i].acked};
    }
    return n;
}

/* Nothing may be sent to an older timeline, and acknowledged, after a newer one took a write. */
static int64_t overlap(void)
{
    static Born born[NODES_MAX];
    int n = births(born);
    int64_t worst = 0;
    for (size_t i = 0; i < n_acks; i++)
        for (int b = 0; b < n; b++)
            if (born[b].timeline > acks[i].timeline && born[b].at < acks[i].sent &&
                acks[i].acked - born[b].at > worst)
                worst = acks[i].acked - born[b].at;
    return worst;
}

typedef struct Span {
    const Ack *first, *last;
    size_t n;
} Span;

static void print_spans(void)
{
    static Span spans[NODES_MAX];
    int n = 0;
    for (size_t i = 0; i < n_acks; i++) {
        int s = 0;
        while (s < n && (spans[s].first->timeline != acks[i].timeline ||
                         strcmp(spans[s].first->addr, acks[i].addr) != 0))
            s++;
        if (s == NODES_MAX)
            break;
        if (s == n)
            spans[n++] = (Span){&acks[i], &acks[i], 0};
        spans[s].last = &acks[i];
        spans[s].n++;
    }
    for (int s = 0; s < n; s++)
        printf(
            "%s{\"node\":\"%s\",\"timeline\":%ld,\"acks\":%zu,\"first_us\":%lld,\"last_us\":%lld}",
            s ? "," : "", spans[s].first->addr, spans[s].first->timeline, spans[s].n,
            (long long)spans[s].first->acked, (long long)spans[s].last->acked);
}

static PGconn *connect_or_die(void)
{
    PGconn *c = PQconnectdb(dsn);
    if (PQstatus(c) != CONNECTION_OK)
        die(PQerrorMessage(c));
    return c;
}

static int check(void)
{
    enum { SHOWN = 10 };
    int64_t lost_ids[SHOWN], gap_at = 0;
    read_logs();
    PGconn *c = connect_or_die();
    size_t lost = count_lost(c, lost_ids, SHOWN);
    PQfinish(c);
    qsort(acks, n_acks, sizeof *acks, by_time);
    int64_t gap = longest_gap(&gap_at);
    printf("{\"acked\":%zu,\"lost\":%zu,\"lost_ids\":[", n_acks, lost);
    for (size_t i = 0; i < lost && i < SHOWN; i++)
        printf("%s%lld", i ? "," : "", (long long)lost_ids[i]);
    printf("],\"gap_ms\":%.1f,\"gap_at_us\":%lld,\"overlap_ms\":%.1f,\"warned\":%zu,\"errors\":%zu,"
           "\"silent\":%zu,\"spans\":[",
           (double)gap / 1000, (long long)gap_at, (double)overlap() / 1000, n_warned,
           n_errors + n_silent, n_silent);
    print_spans();
    printf("]}\n");
    free(acks);
    return 0;
}

static int init(void)
{
    PGconn *c = connect_or_die();
    PGresult *r =
        PQexec(c, "CREATE TABLE IF NOT EXISTS swarm_load(id bigint PRIMARY KEY, at timestamptz "
                  "DEFAULT now());"
                  "CREATE TABLE IF NOT EXISTS swarm_probe(node text, at timestamptz DEFAULT now());"
                  "TRUNCATE swarm_load, swarm_probe");
    if (PQresultStatus(r) != PGRES_COMMAND_OK)
        die(PQerrorMessage(c));
    PQclear(r);
    PQfinish(c);
    return 0;
}

static int64_t number(const char *s)
{
    char *end;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    if (errno || *end || end == s || v < 0)
        die("a number is needed");
    return v;
}

static void options(int argc, char **argv)
{
    static const struct option LONG[] = {{"dsn", 1, 0, 'd'},
                                         {"log", 1, 0, 'l'},
                                         {"writers", 1, 0, 'w'},
                                         {"every-ms", 1, 0, 'e'},
                                         {"since-us", 1, 0, 's'},
                                         {"until-us", 1, 0, 'u'},
                                         {0}};
    int o;
    while ((o = getopt_long(argc, argv, "", LONG, NULL)) != -1)
        switch (o) {
        case 'd':
            dsn = optarg;
            break;
        case 'l':
            if (n_logs == LOGS_MAX)
                die("too many --log");
            logs[n_logs++] = optarg;
            break;
        case 'w':
            writers = (int)number(optarg);
            break;
        case 'e':
            every_ms = (int)number(optarg);
            break;
        case 's':
            since_us = number(optarg);
            break;
        case 'u':
            until_us = number(optarg);
            break;
        default:
            exit(2);
        }
    if (!dsn || writers < 1 || writers > WRITERS_MAX)
        die("--dsn is needed, and 1 to 64 writers");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*fn)(void);
    } VERBS[] = {{"init", init}, {"run", run}, {"check", check}};
    if (argc < 2)
        die("init, run or check");
    options(argc - 1, argv + 1);
    for (size_t i = 0; i < sizeof VERBS / sizeof *VERBS; i++)
        if (strcmp(VERBS[i].name, argv[1]) == 0)
            return VERBS[i].fn();
    die("init, run or check");
    return 2;
}
