"""Has events sent to itself and verifies each with the Python library of Standard Webhooks: both secrets while they overlap, the order of
each resource, every event in spite of tries that fail. Writes what it received for judges in other languages.

  receive.py BASE_URL TOKEN FILE
"""

import collections
import http.server
import json
import sys
import threading
import time
import urllib.request

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

base_url, token, file = sys.argv[1:]
received, tries, lock = [], collections.Counter(), threading.Lock()


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        headers = {name.lower(): value for name, value in self.headers.items() if name.lower().startswith("webhook-")}
        with lock:
            tries[headers["webhook-id"]] += 1
            fails = tries[headers["webhook-id"]] == 1 and headers["webhook-id"][-1] in "0369cf"
            received.append({"path": self.path, "headers": headers, "body": body, "is_taken": not fails})
        self.send_response(500 if fails else 204)
        self.send_header("Content-Length", "0")
        self.end_headers()


def call(method, path, body=None, **headers):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **headers}
    request = urllib.request.Request(base_url + path, json.dumps(body).encode() if body is not None else None, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def wait(condition, what):
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > 120:
            sys.exit(f"{what} did not happen within two minutes")
        time.sleep(0.05)


def taken(path):
    with lock:
        return [json.loads(one["body"]) for one in received if one["path"] == path and one["is_taken"]]


def versions(path):
    found = collections.defaultdict(list)
    for event in taken(path):
        if event["type"].startswith("patient."):
            found[event["data"]["resource_id"]].append(event["data"]["version"])
    return dict(found)


def people(count):
    for number in range(count):
        person = call("POST", "/v1/patients", {"names": [{"family": f"Judge {number}"}]})
        for version in ("1", "2"):
            call("PATCH", f"/v1/patients/{person['id']}", {"notes": f"after {version}"}, **{"If-Match": f'"{version}"'})


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
endpoints = {path: call("POST", "/v1/webhook-endpoints", {"url": url + path, "payload": path[1:]}) for path in ("/thin", "/full")}
ping = call("POST", f"/v1/webhook-endpoints/{endpoints['/thin']['id']}/ping")
assert ping["status_code"] in (204, 500), ping

people(20)
wait(lambda: all(len(versions(path)) == 20 for path in endpoints), "the first round")
wait(lambda: all(sum(map(len, versions(path).values())) == 60 for path in endpoints), "the first round")
before = len(received)
rotated = call("POST", f"/v1/webhook-endpoints/{endpoints['/full']['id']}/rotate-secret", {"overlap_hours": 1})
people(10)
wait(lambda: all(sum(map(len, versions(path).values())) == 90 for path in endpoints), "the second round")

for path in endpoints:
    assert all(order == [1, 2, 3] for order in versions(path).values()), f"{path} was told in another order"
lines = []
for index, one in enumerate(received):
    secrets = [endpoints[one["path"]]["secret"]]
    if one["path"] == "/full" and index >= before and one["headers"]["webhook-signature"].count("v1,") == 2:
        secrets.append(rotated["secret"])
    for secret in secrets:
        assert Webhook(secret).verify(one["body"], one["headers"]) == json.loads(one["body"])
        try:
            Webhook(secret).verify(one["body"] + " ", one["headers"])
            sys.exit("a changed body was taken")
        except WebhookVerificationError:
            pass
    lines.append(json.dumps({"secrets": secrets, "headers": one["headers"], "body": one["body"]}))
assert sum(len(json.loads(line)["secrets"]) == 2 for line in lines) >= 30, "the rotation did not overlap"
assert all("resource" not in event["data"] for event in taken("/thin"))
with open(file, "w") as kept:
    kept.write("\n".join(lines) + "\n")
print(f"{len(lines)} requests verified in Python, {sum(count > 1 for count in tries.values())} events were tried more than once")
