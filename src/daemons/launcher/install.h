/* launcher/install.h - copy our own file to another place, as the init container of a pod does. */
#pragma once
#include "core/err.h"

/* Complete or not there: written beside, synced, renamed. Mode 0755. */
ErrCode install_self(const char *dest, Error *err) MUST_USE;
