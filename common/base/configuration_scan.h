/*
 * The lines of a configuration file. A GKeyFile ends at the first line that it cannot read and lets the last
 * of several equal keys win; an administrator wants to know of every such line.
 */
#pragma once

#include "base/configuration_diagnostics.h"

/*
 * The groups and keys of text (valid UTF-8, length octets) as a key file without what is no group, no key or
 * a second one; each of these is added to mistakes. A new key file.
 */
GKeyFile *postern_configuration_scan(const char *text, gsize length, PosternDiagnostics *diagnostics);
