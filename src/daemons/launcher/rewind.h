/* launcher/rewind.h - pg_rewind in place: the marker stands from before the first changed byte
 * until PGDATA is a standby's again. Killed at any instant it is either untouched, or marked and
 * never started; it may be run again, or the data cloned anew. */
#pragma once
#include "job.h"

ErrCode job_rewind(const Paths *p, const JobSpec *s, Error *err) MUST_USE;
