#!/usr/bin/env python3
"""Outside judges of the contract, each a command:

  document           is openapi/openapi.json valid OpenAPI 3.1?
  fuzz               does the server do what the document says, and nothing else? (schemathesis; two organizations)
  clients [NAME …]   do clients made of the document compile, and walk the loop against the demo?
  webhooks           does the published library of Standard Webhooks verify what is sent, in Python and in JavaScript?
  page               is the page on which a referral is answered by a link usable: on a phone, without scripts, by keyboard, before axe-core?
  compatible [REV]   would the document break a client made from that of REV (HEAD where not named)?

They install what they need into target/judges, start servers of their own on loopback, and stop them. The servers are of target/debug/kith, which
`cargo build` makes, or of the program that KITH_BIN names; `document` and `compatible` start none. Python 3.10 or later, with venv;
`compatible`, `document --all`, `page` (with a Chromium: CHROMIUM names it) and half of `webhooks` need Node.js 20 or later as well; `clients` that, Cargo and a Java 17 compiler, each for its own.
"""

import argparse
import base64
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
import venv

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TOOLS = ROOT / "target" / "judges"
KITH = pathlib.Path(os.environ.get("KITH_BIN", ROOT / "target" / "debug" / "kith"))
DOCUMENT = ROOT / "openapi" / "openapi.json"


def run(*command, **options):
    """Runs a program, which must succeed."""
    return subprocess.run([str(part) for part in command], check=True, **options)


def python_tool(name):
    """A program of requirements.txt."""
    bin_ = TOOLS / "python" / "bin"
    wanted = (HERE / "requirements.txt").read_text()
    stamp = TOOLS / "python" / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        venv.create(TOOLS / "python", with_pip=True, clear=True)
        run(bin_ / "pip", "install", "--quiet", "--disable-pip-version-check", "-r", HERE / "requirements.txt")
        stamp.write_text(wanted)
    return bin_ / name


def node_tool(folder, name):
    """A program of folder/package.json."""
    place, wanted = TOOLS / folder, (HERE / folder / "package.json").read_text()
    stamp = place / "package.json"
    if not stamp.exists() or stamp.read_text() != wanted or not (place / "node_modules").exists():
        place.mkdir(parents=True, exist_ok=True)
        stamp.write_text(wanted)
        run("npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock", cwd=place)
    return place / "node_modules" / ".bin" / name


class Server:
    """A server of ours on a free port, on a database of its own, with a client of each of two organizations that may do everything."""

    def __init__(self, folder, database):
        self.folder = pathlib.Path(folder)
        self.database = database or f"sqlite:{self.folder / 'data' / 'kith.db'}"
        self.is_demo = database is None

    def command(self, *arguments):
        return [str(KITH), *arguments, "--database-url", self.database]

    def __enter__(self):
        credentials = self.folder / "credentials.json"
        log = open(self.folder / "server.log", "wb")
        if self.is_demo:
            command = [str(KITH), "demo", "--port", "0", "--data", str(self.folder / "data"), "--credentials", str(credentials), "--log-level", "warn"]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
            self.wait(credentials.exists)
            demo = json.loads(credentials.read_text())
            self.base_url = demo["base_url"]
            ids = {client["role"]: client["organization_id"] for client in demo["clients"]}
            owners = [(role, ids[role], []) for role in ("clinic", "second_clinic")]
        else:
            run(KITH, "migrate", "--database-url", self.database, stdout=log, stderr=log)
            owners = [(name, name, ["--kind", "clinic"]) for name in ("clinic", "second_clinic")]
        scopes = "patients:read patients:write screenings:read screenings:write services:read services:write referrals:read referrals:write follow_ups:read follow_ups:write appointments:read appointments:write organizations:read organizations:write webhooks:read webhooks:write reports:read admin"
        self.clients = {}
        for name, owner, more in owners:
            made = run(*self.command("client", "add", "--organization", owner, "--name", "judge", "--scopes", scopes, "--json", *more), stdout=subprocess.PIPE, stderr=log)
            self.clients[name] = json.loads(made.stdout)
        if not self.is_demo:
            run(*self.command("import", "services", ROOT / "demo" / "directory.json", "--source", "judge", "--organization", "clinic"), stdout=log, stderr=log)
            port = free_port()
            self.base_url = f"http://127.0.0.1:{port}"
            flags = ["--port", str(port), "--log-level", "warn", "--webhook-allow", "127.0.0.1"]
            self.process = subprocess.Popen(self.command("serve", *flags), stdout=log, stderr=log)
            self.wait(self.is_ready)
        return self

    def wait(self, condition):
        began = time.monotonic()
        while not condition():
            if self.process.poll() is not None or time.monotonic() - began > 120:
                sys.exit(f"the server did not start:\n{(self.folder / 'server.log').read_text()[-4000:]}")
            time.sleep(0.1)

    def is_ready(self):
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f"{self.base_url}/readyz", timeout=2).status == 200
        return False

    def token(self, name):
        client = self.clients[name]
        pair = f"{client['client_id']}:{client['client_secret']}".encode()
        headers = {"Authorization": "Basic " + base64.b64encode(pair).decode()}
        body = urllib.parse.urlencode({"grant_type": "client_credentials"}).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{self.base_url}/oauth/token", body, headers), timeout=10) as answer:
            return json.load(answer)["access_token"]

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            sys.exit("the server did not stop within a minute")
        log = (self.folder / "server.log").read_text(errors="replace")
        faults = [line for line in log.splitlines() if "ERROR" in line or "panicked" in line]
        if faults:
            sys.exit("the server logged errors:\n" + "\n".join(faults[:20]))


def free_port():
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def fuzz(arguments):
    tool = python_tool("schemathesis")
    for database in arguments.database or [None]:
        with tempfile.TemporaryDirectory() as folder, Server(folder, database) as server:
            for name in ("hooks.py", "schemathesis.toml"):
                shutil.copy(HERE / name, folder)
            entry = '  - {{ name: {0}, fixedHeaders: [ {{ name: Authorization, value: "Bearer {1}" }} ] }}\n'
            users = "".join(entry.format(name, server.token(name)) for name in server.clients)
            pathlib.Path(folder, "clients.yaml").write_text(f"schema_version: 0.2.0\nauth:\n{users}")
            print(f"fuzzing {'the demo on SQLite' if database is None else 'a server on PostgreSQL'} for {arguments.seconds} s", flush=True)
            command = [tool, "--config-file", "schemathesis.toml", "run", DOCUMENT, "-u", server.base_url, "-c", "all", "-n", str(arguments.examples)]
            command += ["--max-time", str(arguments.seconds), "--report", "json", "--report-json-path", TOOLS / "fuzz.json", *arguments.more]
            status = subprocess.run([str(part) for part in command], cwd=folder).returncode
            if status:
                sys.exit(f"schemathesis found faults (report: {TOOLS / 'fuzz.json'})")


def fetch_client(place, _):
    run(node_tool("clients/fetch", "openapi-typescript"), DOCUMENT, "-o", place / "api.d.ts")


def hey_client(place, _):
    run(node_tool("clients/hey", "openapi-ts"), "-i", DOCUMENT, "-o", place / "api", "-c", "@hey-api/client-fetch")


def typescript(place, credentials):
    run(place / "node_modules/.bin/tsc", "-p", place)
    run(place / "node_modules/.bin/tsx", place / "loop.ts", credentials)


def python_client(place, credentials):
    generator = python_tool("openapi-python-client")
    path = {**os.environ, "PATH": f"{generator.parent}:{os.environ['PATH']}"}
    run(generator, "generate", "--path", DOCUMENT, "--config", place / "config.yaml", "--output-path", place / "kith_client", "--meta", "none", "--overwrite", "--fail-on-warning", env=path)
    run(generator.parent / "python", place / "loop.py", credentials, env={**path, "PYTHONPATH": str(place)})


def generated(place, language, **options):
    properties = ",".join(f"{name}={value}" for name, value in options.items())
    shutil.rmtree(place / "client", ignore_errors=True)
    command = [python_tool("openapi-generator-cli"), "generate", "-g", language, "-i", DOCUMENT, "-o", place / "client", "--additional-properties", properties]
    run(*command, stdout=subprocess.DEVNULL)


def rust_client(place, credentials):
    generated(place, "rust", packageName="openapi")
    run("cargo", "run", "--quiet", "--manifest-path", place / "Cargo.toml", "--", credentials)


def java_client(place, credentials):
    generated(place, "java", library="native", openApiNullable="false", hideGenerationTimestamp="true")
    # The generator's own archive has the libraries that its clients need.
    jar = next((TOOLS / "python").rglob("openapi-generator.jar"))
    sources = [source for source in place.rglob("*.java") if "/test/" not in str(source)]
    (place / "sources").write_text("\n".join(str(source) for source in sources))
    run("javac", "-nowarn", "-proc:none", "-cp", jar, "-d", place / "classes", f"@{place / 'sources'}")
    run("java", "-cp", f"{place / 'classes'}:{jar}", "Loop", credentials)


CLIENTS = {"fetch": [fetch_client, typescript], "hey": [hey_client, typescript], "python": [python_client], "rust": [rust_client], "java": [java_client]}


def clients(arguments):
    with tempfile.TemporaryDirectory() as folder, Server(folder, None):
        credentials = pathlib.Path(folder, "credentials.json")
        for name in arguments.names or CLIENTS:
            place = TOOLS / "clients" / name
            shutil.copytree(HERE / "clients" / name, place, dirs_exist_ok=True, ignore=shutil.ignore_patterns("package.json"))
            for step in CLIENTS[name]:
                step(place, credentials)


def document(arguments):
    run(python_tool("openapi-spec-validator"), DOCUMENT)
    if arguments.all:
        run(node_tool("lint", "redocly"), "lint", "--config", HERE / "lint" / "redocly.yaml", "--max-problems", "100", DOCUMENT,
            env={**os.environ, "REDOCLY_TELEMETRY": "off"})
        run(node_tool("lint", "spectral"), "lint", "--fail-severity", "warn", "-r", HERE / "lint" / "spectral.yaml", DOCUMENT)


def webhooks(arguments):
    for database in arguments.database or [None]:
        with tempfile.TemporaryDirectory() as folder, Server(folder, database) as server:
            received = pathlib.Path(folder, "received.ndjson")
            run(python_tool("python"), HERE / "webhooks" / "receive.py", server.base_url, server.token("clinic"), received)
            if shutil.which("node"):
                modules = node_tool("webhooks", "").parent
                run("node", HERE / "webhooks" / "verify.mjs", modules, received)
            else:
                print("skipped in JavaScript: there is no Node.js")


def page(arguments):
    browser = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not browser:
        sys.exit("there is no Chromium: name one in CHROMIUM")
    for database in arguments.database or [None]:
        with tempfile.TemporaryDirectory() as folder, Server(folder, database) as server:
            modules = node_tool("page", "").parent
            run("node", HERE / "page" / "try.mjs", modules, server.base_url, server.token("clinic"), browser, TOOLS / "page" / "pictures")


def plainly(schema):
    """The same document, in which something or null is written as something: the differ looks into no `oneOf`."""
    if isinstance(schema, list):
        return [plainly(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    branches = [branch for branch in schema.get("oneOf", []) if branch != {"type": "null"}]
    if len(branches) == 1 and len(schema["oneOf"]) == 2:
        return plainly(branches[0])
    return {name: plainly(value) for name, value in schema.items()}


def may_grow(old, new):
    """Takes out what a version of the API may add by its own rules, where the differ knows stricter ones: a further word of an enumeration, which clients meet as they meet an unknown field, and a field that need not be sent, with all that is required within it."""
    if isinstance(old, list) and isinstance(new, list):
        for pair in zip(old, new):
            may_grow(*pair)
    if not isinstance(old, dict) or not isinstance(new, dict):
        return
    if isinstance(old.get("enum"), list) and isinstance(new.get("enum"), list):
        old["enum"] += [word for word in new["enum"] if word not in old["enum"]]
    fields = new.get("properties", {})
    for name in [name for name in fields if name not in old.get("properties", {}) and name not in new.get("required", [])]:
        del fields[name]
    for name in old.keys() & new.keys():
        may_grow(old[name], new[name])


def compatible(arguments):
    old = json.loads(run("git", "show", f"{arguments.revision}:openapi/openapi.json", cwd=ROOT, stdout=subprocess.PIPE).stdout)
    new = json.loads(pathlib.Path(arguments.document or DOCUMENT).read_text())
    for document in (old, new):
        # What we send is checked by the schemas of what is read.
        document.pop("webhooks", None)
    old, new = plainly(old), plainly(new)
    may_grow(old, new)
    with tempfile.TemporaryDirectory() as folder:
        places = [pathlib.Path(folder, name) for name in ("old.json", "new.json")]
        for place, document in zip(places, (old, new)):
            place.write_text(json.dumps(document))
        run(node_tool("diff", "optic"), "diff", *places, "--check", env={**os.environ, "OPTIC_TELEMETRY_LEVEL": "off"}, cwd=folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("document")
    command.add_argument("--all", action="store_true", help="by the linters for Node.js too")
    command.set_defaults(run=document)
    command = commands.add_parser("fuzz")
    command.add_argument("--seconds", type=int, default=600, help="how long, on each database (600)")
    command.add_argument("--examples", type=int, default=50, help="how many requests for each operation and phase (50)")
    command.add_argument("--database", action="append", help="postgres://… of an empty database; the demo on SQLite where not named")
    command.add_argument("more", nargs="*", help="further arguments of schemathesis, after --")
    command.set_defaults(run=fuzz)
    command = commands.add_parser("clients")
    command.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(CLIENTS)}; all where none is named")
    command.set_defaults(run=clients)
    command = commands.add_parser("webhooks")
    command.add_argument("--database", action="append", help="postgres://… of an empty database; the demo on SQLite where not named")
    command.set_defaults(run=webhooks)
    command = commands.add_parser("page")
    command.add_argument("--database", action="append", help="postgres://… of an empty database; the demo on SQLite where not named")
    command.set_defaults(run=page)
    command = commands.add_parser("compatible")
    command.add_argument("revision", nargs="?", default="HEAD")
    command.add_argument("--document", help="another document than openapi/openapi.json")
    command.set_defaults(run=compatible)
    arguments = parser.parse_args()
    if arguments.run not in (document, compatible) and not shutil.which(str(KITH)):
        sys.exit(f"there is no program {KITH}: `cargo build` makes it, or KITH_BIN names another")
    TOOLS.mkdir(parents=True, exist_ok=True)
    arguments.run(arguments)


if __name__ == "__main__":
    main()
