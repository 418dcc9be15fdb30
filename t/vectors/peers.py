"""Runs published suites by other people's programs, for contrib/conformance.

    peers.py spf|dkim|arc DATA

DATA is the folder of the published data. Prints one JSON object: {"cases": N, "passed": N, "wrong": [NAME…]}.
Needs the Debian packages python3-yaml, and python3-spf or python3-dkim. `convert dkim|arc DATA` prints the
cases one JSON object a line instead, for programs that read no YAML.
"""

import json
import pathlib
import socket
import sys

# The expectation of the suite is in dispute: reported by our own test, never scored.
CONTESTED = {"cv_fail_i1_as_cv_fail", "cv_fail_i2_as1_fail", "cv_fail_i2_as2_fail", "as_fields_b_512"}


def documents(path):
    """The parts of a suite; tests are a list of (name, test), for some names stand there twice."""
    import yaml
    loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
    while loader.check_node():
        node = loader.get_node()
        if isinstance(node, yaml.MappingNode):
            part = {key.value: value for key, value in node.value}
            tests = [(name.value, loader.construct_object(test, deep=True)) for name, test in part.pop("tests").value]
            yield {"tests": tests, **{key: loader.construct_object(value, deep=True) for key, value in part.items()}}


def text_records(zone):
    """name -> list of TXT strings, or None where the DNS fails."""
    records = {}
    for name, value in zone.items():
        failed = value in ("SERVFAIL", "TIMEOUT")
        values = value if isinstance(value, list) else [] if value == "NXDOMAIN" else [value]
        records[name.lower().rstrip(".")] = None if failed else values
    return records


def normalised(octets):
    """As SMTP carries it."""
    octets = octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"


def dkim_cases(data):
    """(name, expectation, message, records) of each."""
    records = text_records(json.loads((data / "dkim" / "corpus-zone.json").read_text()))
    for case in json.loads((data / "dkim" / "corpus-cases.json").read_text()):
        message = normalised((data / "dkim" / case["file"]).read_bytes())
        yield case["file"], case["expect_rfc8301"], message, records


def arc_cases(data):
    """The same; contested cases left out."""
    for part in documents(data / "arc" / "arc-draft-validation-tests.yml"):
        records = text_records(part.get("txt-records") or {})
        for name, case in part["tests"]:
            if name not in CONTESTED:
                message = (case["message"] or "").encode("utf-8").replace(b"\n", b"\r\n")
                yield name, (case["cv"] or "None").strip().lower() or "none", message, records


def as_expected(expected, result):
    """expected: of the DKIM corpus; result: "pass", "none" (no signature) or anything else."""
    if expected.startswith("none"):
        return result == "none"
    return result == "pass" if expected == "pass" else result not in ("pass", "none")


def key_lookup(records, kind):
    def lookup(name, timeout=5):
        found = records.get(name.decode().lower().rstrip("."), [])
        if found is None:
            raise kind("the DNS failed")
        return found[0].encode() if found else None
    return lookup


def judge_dkim(_, message, records):
    import dkim
    signatures = sum(line.lower().startswith(b"dkim-signature:")
                     for line in message.partition(b"\r\n\r\n")[0].split(b"\r\n"))
    result = "none" if signatures == 0 else "fail"
    for index in range(signatures):
        try:
            verifier = dkim.DKIM(message, minkey=1024)
            if verifier.verify(index, dnsfunc=key_lookup(records, dkim.DnsTimeoutError)):
                result = "pass"
        except Exception:  # of any kind: it did not verify
            continue
    return result


def judge_arc(_, message, records):
    import dkim
    try:
        return dkim.arc_verify(message, dnsfunc=key_lookup(records, dkim.DnsTimeoutError))[0].decode().lower()
    except Exception:
        return "error"


def spf_zone(zone):
    """name -> list of (type, value), SPF standing in for TXT as the suite's head says."""
    result = {}
    for name, entries in zone.items():
        rows = []
        for entry in entries:
            rows += [entry] if entry == "TIMEOUT" else list(entry.items())
        text = any(row != "TIMEOUT" and row[0] == "TXT" for row in rows)
        if not text:
            rows += [("TXT", row[1]) for row in rows if row != "TIMEOUT" and row[0] == "SPF"]
        result[name.lower()] = [row for row in rows if row == "TIMEOUT" or row[1] != "NONE"]
    return result


def spf_lookup(zone, temporary):
    def lookup(name, kind, strict=True, timeout=None, depth=0):
        timed_out = True
        rows = zone.get(name.lower().rstrip("."))
        if rows is None:
            if name.startswith("error."):
                raise temporary("DNS timeout")
            return
        for row in rows:
            if row == "TIMEOUT":
                if timed_out:
                    raise temporary("DNS timeout")
                return
            found, value = row
            timed_out = timed_out and found != kind
            if value == "TIMEOUT":
                if found == kind:
                    raise temporary("DNS timeout")
                continue
            if found == "AAAA":
                value = socket.inet_pton(socket.AF_INET6, value)
            elif found in ("TXT", "SPF"):
                value = tuple(part.encode() for part in ([value] if isinstance(value, str) else value))
            elif found == "MX":
                value = tuple(value)
            yield (name, found), value
            if found == "CNAME" and depth == 0:
                yield from lookup(value, kind, strict, timeout, 1)
    return lookup


def run_spf(data):
    import spf
    cases, wrong = 0, []
    for part in documents(data / "spf" / "rfc7208-tests.yml"):
        zone = spf_zone(part["zonedata"])
        spf.DNSLookup = spf_lookup(zone, spf.TempError)
        for name, case in part["tests"]:
            query = spf.query(i=case["host"], s=case["mailfrom"] or "", h=case["helo"], strict=case.get("strict", 1))
            query.set_default_explanation("DEFAULT")
            result, _, explanation = query.check()
            allowed = case["result"] if isinstance(case["result"], list) else [case["result"]]
            cases += 1
            if result not in allowed or (result == "fail" and case.get("explanation", explanation) != explanation):
                wrong.append(name)
    return cases, wrong


def run(cases, judge, right):
    count, wrong = 0, []
    for name, expected, message, records in cases:
        count += 1
        if not right(expected, judge(name, message, records)):
            wrong.append(name)
    return count, wrong


def convert(cases):
    for name, expected, message, records in cases:
        print(json.dumps({"name": name, "expected": expected, "message": message.decode("latin-1"),
                          "records": records}))


def main(arguments):
    data = pathlib.Path(arguments[-1])
    if arguments[0] == "convert":
        convert(dkim_cases(data) if arguments[1] == "dkim" else arc_cases(data))
        return
    if arguments[0] == "spf":
        count, wrong = run_spf(data)
    elif arguments[0] == "dkim":
        count, wrong = run(dkim_cases(data), judge_dkim, as_expected)
    else:
        count, wrong = run(arc_cases(data), judge_arc, lambda expected, result: expected == result)
    print(json.dumps({"cases": count, "passed": count - len(wrong), "wrong": wrong}))


if __name__ == "__main__":
    main(sys.argv[1:])
