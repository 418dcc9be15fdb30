/*
 * zip archives (APPNOTE.TXT), read strictly: readers go by the directory at the end, by the headers before
 * the members, or by both, and where those do not say the same they see different files.
 */
#pragma once

#include "checks/container/opening.h"

/* TRUE: octets begin with a member, or with the end of an archive that has none. */
gboolean postern_zip_begins(const guint8 *octets, gsize length);
/* TRUE: they end as an archive does, whatever stands in front of it, such as a program that unpacks it. At
 * most 70,000 octets are looked at. */
gboolean postern_zip_ends(const guint8 *octets, gsize length);

/*
 * Hands on each member that the directory names. Noted as AMBIGUOUS unless: there is exactly one end record,
 * the directory is where and as long as it says; every local header agrees with it in name, method, sizes,
 * checksum and flags; each member unpacks to what is said of it; members do not overlap, and nothing but a
 * program in front, and blanks behind, is beside them. What the directory does not name, but has a header, is
 * handed on too. Encrypted members, and an encrypted OpenDocument, are noted as ENCRYPTED; methods that
 * nothing here unpacks as UNKNOWN_CONTAINER.
 */
void postern_zip_open(PosternOpening *opening);
