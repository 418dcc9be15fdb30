"""Turns the JSON of published test data into lines that the tests in C read.

    shared_json.py zone FILE         an answers file of a zone
    shared_json.py cases FILE        FILE <tab> EXPECTATION for each case
    shared_json.py attachments FILE  TYPE <tab> NAME <tab> OCTETS for each part that is a named or declared attachment
"""
import json
import sys

FAILURES = ("NXDOMAIN", "NODATA", "SERVFAIL", "TIMEOUT")


def quoted(text):
    if text == '""':
        text = ""
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"')


def zone(data):
    for name, value in data.items():
        for record in value if isinstance(value, list) else [value]:
            if record in FAILURES:
                yield "%s TXT !%s" % (name, record)
            else:
                yield "%s TXT %s" % (name, quoted(record))


def cases(data):
    for case in data:
        yield "%s\t%s" % (case["file"], case["expect_rfc8301"])


def content_value(part, name):
    for header in part["headers"]:
        value = header["value"]
        if header["name"] == name and isinstance(value, dict) and "ContentType" in value:
            return value["ContentType"]
    return None


def attribute(content, name):
    for item in (content or {}).get("attributes") or []:
        if item["name"] == name:
            return item["value"]
    return None


def attachments(message):
    for part in message["parts"]:
        kind = content_value(part, "content_type")
        disposition = content_value(part, "content_disposition")
        name = attribute(disposition, "filename") or attribute(kind, "name")
        declared = (disposition or {}).get("c_type", "").lower() == "attachment"
        if (name or declared) and kind and kind["c_type"].lower() != "multipart":
            body = part["body"]
            octets = len(body["Binary"]) if isinstance(body.get("Binary"), list) else -1
            full = "%s/%s" % (kind["c_type"], kind.get("c_subtype") or "")
            yield "%s\t%s\t%d" % (full.lower(), (name or "").replace("\n", " "), octets)
        if isinstance(part["body"], dict) and "Message" in part["body"]:
            yield from attachments(part["body"]["Message"])


def main():
    with open(sys.argv[2], encoding="utf-8") as file:
        data = json.load(file)
    for line in {"zone": zone, "cases": cases, "attachments": attachments}[sys.argv[1]](data):
        print(line)


if __name__ == "__main__":
    main()
