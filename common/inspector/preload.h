/*
 * What libraries load on first use (character sets, time zone, tables), loaded before the sandbox closes.
 */
#pragma once

/* For the life of the process. */
void postern_preload(void);
