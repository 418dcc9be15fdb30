/*
 * The checks that rows of the configuration table name: is value, one word of a file, what the option needs?
 * If it is not, error (POSTERN_ERROR_CONFIGURATION) says what is wrong, and what would be right.
 */
#pragma once

#include <glib.h>

/* "stderr", "syslog" or an absolute path. */
gboolean postern_configuration_check_log(const char *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* "ADDRESS:PORT" or "[ADDRESS]:PORT" (base/endpoint.h). */
gboolean postern_configuration_check_endpoint(const char *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A server, as base/server_entry.h has it. */
gboolean postern_configuration_check_server(const char *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A domain name of letters, digits and hyphens (RFC 5321 4.1.2), not an address, without a final dot. */
gboolean postern_configuration_check_domain(const char *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A user name of POSIX's portable form; whether there is such a user is seen at start. */
gboolean postern_configuration_check_user(const char *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* A SHA-256 in hexadecimal, colons between the octets or not. */
gboolean postern_configuration_check_key_hash(const char *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* An absolute path; whether something is there is seen when it is used. */
gboolean postern_configuration_check_path(const char *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The absolute path of a socket, or "ADDRESS:PORT" (base/endpoint.h). */
gboolean postern_configuration_check_clamd(const char *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* "ADDRESS:PORT" (base/endpoint.h), or "unix:" and an absolute path. */
gboolean postern_configuration_check_http(const char *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* "inet:PORT@ADDRESS", "inet6:PORT@ADDRESS" or "unix:PATH" (base/milter_socket.h). */
gboolean postern_configuration_check_milter_socket(const char *value,
                                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Three or four octal digits, read and write for somebody. */
gboolean postern_configuration_check_file_mode(const char *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* "ADDRESS" or "ADDRESS@PORT". */
gboolean postern_configuration_check_dns_server(const char *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* "ADDRESS" or "ADDRESS/BITS", no bit set behind the first BITS. */
gboolean postern_configuration_check_network(const char *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* An IPv4 or IPv6 address, without port and brackets. */
gboolean postern_configuration_check_address(const char *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* local@domain, as RCPT has it without its brackets; no quoted local part. */
gboolean postern_configuration_check_mailbox(const char *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A local part (RFC 5321 4.1.2) without quotes. */
gboolean postern_configuration_check_local_part(const char *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Actions of [policy]: those after a temporary error; those for the unscanned; those for both; those for what
 * every retry would find again; those for what stays unscanned at every retry. */
gboolean postern_configuration_check_error_action(const char *value,
                                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean postern_configuration_check_unscannable_action(const char *value,
                                                        GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean postern_configuration_check_scan_error_action(const char *value,
                                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean postern_configuration_check_permanent_action(const char *value,
                                                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean postern_configuration_check_kind_action(const char *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* One of the checks of [policy] checks. */
gboolean postern_configuration_check_check(const char *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Printable ASCII, for a header field. */
gboolean postern_configuration_check_subject_tag(const char *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* An answer of a DNS list: "127.0.0.2", or several as "127.0.0.8/29". */
gboolean postern_configuration_check_list_code(const char *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* "REASON=POINTS", a reason of suspicion. */
gboolean postern_configuration_check_points(const char *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;
