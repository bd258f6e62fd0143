"""What a fuzzer cannot learn from an OpenAPI document, told to schemathesis."""

import json
import re

import schemathesis
from schemathesis import GenerationMode


@schemathesis.hook
def before_call(context, case, kwargs):
    """A cursor is opaque: only one that the same list has given is good, so a request that shall succeed has none made up. And a request
    that waits for changes does so no longer than the fuzzer waits for an answer."""
    wait = (case.query or {}).get("wait")
    if isinstance(wait, int) and 3 < wait <= 30:
        case.query["wait"] = 3
        if isinstance(kwargs.get("params"), dict) and "wait" in kwargs["params"]:
            kwargs["params"]["wait"] = 3
    mode = case.meta.generation.mode if case.meta else None
    if mode is GenerationMode.POSITIVE:
        for part in (case.query, case.body):
            if isinstance(part, dict):
                part.pop("cursor", None)
        if "json" in kwargs and isinstance(kwargs["json"], dict):
            kwargs["json"].pop("cursor", None)


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


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """That two organizations read the same of the directory is no leak, and an import tells its faults line by line in its report."""
    kind = type(failure).__name__
    is_shared = kind == "ObjectLevelAuthorizationViolation" and SHARED.match(case.operation.path)
    is_told = kind in ("AcceptedNegativeData", "RejectedPositiveData") and case.operation.path.startswith("/v1/imports/")
    return not (is_shared or is_told or leads_nowhere(case) or (kind == "RejectedPositiveData" and breaks_a_rule(response)))


# The codes of faults that come from a schema (src/http/schema.rs, src/http/query.rs).
OF_SCHEMA = {"type", "required", "not_allowed", "too_short", "too_long", "too_few", "too_many", "not_unique", "out_of_range", "format"}
OF_SCHEMA |= {"unknown_parameter", "repeated"}


def breaks_a_rule(response):
    """A query string may break a rule across its parameters, of which no schema speaks: a radius without a centre."""
    if response.status_code != 400:
        return False
    codes = {fault["code"] for fault in response.json().get("errors", [])}
    return bool(codes) and not codes & OF_SCHEMA
