/* launcher/procs.h - processes as /proc shows them.
 *
 * PostgreSQL's backends each lead a group of their own, so "the whole group" means every descendant
 * of this launcher, found by walking /proc. */
#pragma once
#include "paths.h"
#include <stdbool.h>
#include <sys/types.h>

/* How many living descendants there are besides `except` and what is below it. With a signal
 * (not 0) each of them gets it first. */
unsigned procs_below_us(pid_t except, int signum);
/* How many processes work in this folder (PostgreSQL's all do, in PGDATA), signalled alike. */
unsigned procs_in_folder(const char *folder, int signum);
