/*
 * The envelope of a message in a file: as the command line says, else as the header tells.
 */
#pragma once

#include "mail/message.h"
#include "scan/options.h"
#include "verdict/policies.h"

/*
 * Client and HELO: --client and --helo; without --client those of the first Received field, from the top,
 * that does not name a client of the trusted networks of policies or of this machine (mail/received.h): the
 * topmost is taken to be by our own server. *ret_received tells that it is so. Sender: --sender, or the
 * topmost Return-Path. Recipients: --recipient, or the topmost of X-Original-To, Envelope-To and Delivered-To
 * above all Received fields, which who delivers writes. *ret_no_message: it is empty, or begins with neither
 * a header field nor an empty line.
 */
PosternEnvelope *postern_scan_envelope(const PosternScanOptions *options, const PosternPolicies *policies,
                                       PosternMessage *message, gboolean *ret_received,
                                       gboolean *ret_no_message);
