"""What a fuzzer cannot learn from an OpenAPI document, told to schemathesis."""

import json
import re

import schemathesis
from schemathesis import GenerationMode


@schemathesis.hook
def before_call(context, case, kwargs):
    """A cursor is opaque: only one that the same list has given is good, so a request that shall succeed has none made up. And a request
    that waits for changes does so no longer than the fuzzer waits for an answer."""
    mode = case.meta.generation.mode if case.meta else None
    for part in (case.query, kwargs.get("params"), case.body, kwargs.get("json")):
        if isinstance(part, dict):
            if mode is GenerationMode.POSITIVE:
                part.pop("cursor", None)
            # What is no good `wait` shall be refused, and is not touched.
            if re.fullmatch("[0-9]|[12][0-9]|30", str(part.get("wait"))):
                part["wait"] = min(int(part["wait"]), LONGEST_WAIT)
    for headers in (case.headers, kwargs.get("headers")):
        if mode is GenerationMode.POSITIVE and headers is not None:
            headers.pop("Last-Event-ID", None)


# Seconds.
LONGEST_WAIT = 3


def leads_nowhere(case):
    return any(value in (None, "None") for value in (case.path_parameters or {}).values())


@schemathesis.hook
def filter_case(context, case):
    """An id that an answer had as null leads nowhere; the stateful phase would ask for it as `None`."""
    return not leads_nowhere(case)


@schemathesis.serializer("application/x-ndjson")
def lines_of_json(context, value):
    """An import takes one JSON document a line."""
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


@schemathesis.serializer("application/zip")
def bytes_of_a_package(context, value):
    """A package is whatever bytes the fuzzer makes up: no schema tells how a zip file is made."""
    return value if isinstance(value, bytes) else str(value).encode()


# What every organization may read: the directory and who works in it.
SHARED = re.compile(r"^/(hsds|v1/(organizations|practitioners|services|instruments|need-domains|matching-profiles|changes))\b")


# What answers once it has all lines, and tells later what became of each.
IMPORTS = {"/v1/imports", "/v1/imports/services"}


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """That two organizations read the same of the directory is no leak; an import tells its faults line by line in its report; and a list of
    which all was deleted is empty."""
    kind = type(failure).__name__
    is_shared = kind == "ObjectLevelAuthorizationViolation" and SHARED.match(case.operation.path)
    is_told = kind in ("AcceptedNegativeData", "RejectedPositiveData") and case.operation.path in IMPORTS
    is_emptied = kind == "UseAfterFree" and response.status_code == 200 and response.json().get("items") == []
    return not (is_shared or is_told or is_emptied or leads_nowhere(case) or (kind == "RejectedPositiveData" and breaks_a_rule(response)))


# The codes of faults that come from a schema (src/http/schema.rs, src/http/query.rs).
OF_SCHEMA = {"type", "required", "not_allowed", "too_short", "too_long", "too_few", "too_many", "not_unique", "out_of_range", "format"}
OF_SCHEMA |= {"unknown_parameter", "repeated"}


def breaks_a_rule(response):
    """A query string may break a rule across its parameters, of which no schema speaks: a radius without a centre."""
    if response.status_code != 400:
        return False
    codes = {fault["code"] for fault in response.json().get("errors", [])}
    return bool(codes) and not codes & OF_SCHEMA
