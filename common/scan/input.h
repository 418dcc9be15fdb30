/*
 * What is to be scanned: names given by the user to a list of message files, and a file to a message.
 */
#pragma once

#include <glib.h>

#include "mail/message.h"

/*
 * The files that names stand for: a directory for all regular files in it and below (sorted, symbolic links
 * not followed, at most 64 deep), anything else for itself. Of char *. A directory that cannot be read is
 * told through complain and left out.
 */
typedef void (*PosternScanComplain)(const char *text, gpointer user_data);
GPtrArray *postern_scan_input_list(char *const *names, PosternScanComplain complain, gpointer user_data);

/*
 * Reads the file at path ("-": standard input) into a sealed message of at most POSTERN_MESSAGE_MAX_OCTETS.
 * Lines that end in a bare LF get CRLF, as they would have had on their way. An empty file is an error.
 */
PosternMessage *postern_scan_input_read(const char *path, GError **error);

/* The address in the topmost Return-Path field ("" for the null sender), a new string, or NULL: there is
 * none. */
char *postern_scan_input_sender(PosternMessage *message);
