/*
 * One open input: a file, a pipe, or standard input, read without ever waiting for whoever writes it.
 */
#pragma once

#include <glib.h>

typedef struct PosternScanInput PosternScanInput;

typedef enum {
    POSTERN_SCAN_INPUT_OCTETS,
    POSTERN_SCAN_INPUT_END,
    POSTERN_SCAN_INPUT_WAIT, /* there is nothing to be read yet */
    POSTERN_SCAN_INPUT_FAILED,
} PosternScanInputStatus;

/*
 * Opens path, "-" for standard input. Devices and sockets are refused, but for standard input. A FIFO that
 * nobody has open for writing is no error yet.
 */
PosternScanInput *postern_scan_input_open(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void postern_scan_input_free(PosternScanInput *input);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternScanInput, postern_scan_input_free)

/*
 * Reads at most maximum octets. WAIT: try again when the descriptor is readable, and at least each second: a
 * FIFO that nobody opens for writing within POSTERN_SCAN_WRITER_SECONDS is FAILED. error is set with FAILED
 * alone.
 */
#define POSTERN_SCAN_WRITER_SECONDS 5
PosternScanInputStatus postern_scan_input_read(PosternScanInput *input, char *octets, gsize maximum,
                                               gsize *ret_length, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* For waiting on it; -1 if waiting is only for time. Owned by input. */
int postern_scan_input_descriptor(const PosternScanInput *input);

/* How much of it has been read, 0 to 1; 0 if its size is not known. */
double postern_scan_input_fraction(const PosternScanInput *input);

/* What it is called in messages for people: the path, or "standard input". */
const char *postern_scan_input_name(const PosternScanInput *input);
