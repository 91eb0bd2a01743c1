// What Docker says, in words that were seen from real engines, and what it means to us.
import { Readable } from "node:stream";
import { DeadlineError } from "@skerry/shared/runtime/clock.ts";
import { describe, expect, test } from "vitest";
import { agreedMinor, imageQuery } from "./docker.ts";
import { type CallKind, errorKind, toEngineError } from "./docker-errors.ts";
import { containerDetails, containerSummary } from "./docker-read.ts";
import { PullTally, readBeginning, readJsonLines, readTail } from "./docker-stream.ts";
import type { EngineErrorKind } from "./engine.ts";
import { notGivenOut, plainly } from "./engine-words.ts";

const item = {
  Id: "c1",
  Names: ["/web"],
  State: "running",
  Status: "Up 2 minutes (health: starting)",
  Labels: null,
  Ports: null,
};

describe("what Docker says", () => {
  test.each<[CallKind, number, string, EngineErrorKind]>([
    ["change", 404, "No such container: x", "not-found"],
    ["create", 404, "No such image: x:1", "not-found"],
    ["create", 409, 'Conflict. The container name "/x" is already in use by container "y"', "conflict"],
    ["change", 409, "removal of container x is already in progress", "conflict"],
    [
      "start",
      500,
      "driver failed programming external connectivity: Bind for 0.0.0.0:80 failed: port is already allocated",
      "conflict",
    ],
    ["start", 500, "listen tcp4 0.0.0.0:80: bind: address already in use", "conflict"],
    ["change", 403, "error while removing network: network x has active endpoints", "conflict"],
    ["change", 403, "endpoint with name x already exists in network y", "conflict"],
    ["create", 403, "Pool overlaps with other one on this address space", "conflict"],
    ["create", 400, "Minimum memory limit allowed is 6MB", "invalid"],
    ["create", 400, 'invalid mount config for type "bind": bind source path does not exist: /x', "retry"],
    ["start", 400, 'exec: "nosuch": executable file not found in $PATH', "retry"],
    ["start", 500, "error gathering device information: no such device", "retry"],
    ["create", 500, "write /var/lib/docker/x: no space left on device", "retry"],
    ["pull", 404, "manifest for x:1 not found", "retry"],
    ["pull", 400, "invalid reference format", "invalid"],
    ["read", 503, "unavailable", "retry"],
    ["create", 501, "not implemented", "invalid"],
  ])("[E46] %s %i %s is %s", (call, status, message, kind) => {
    expect(errorKind(call, status, message)).toBe(kind);
  });

  test.each<[string, RegExp]>([
    [
      'failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "nope": executable file not found in $PATH: unknown',
      /^its image has no command "nope": .* \(engine: exec: "nope": executable file not found in \$PATH\)$/,
    ],
    [
      'failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: exec: "/a/b": stat /a/b: no such file or directory: unknown',
      /^its image has no command "\/a\/b"/,
    ],
    [
      "driver failed programming external connectivity on endpoint shop-web-1 (0a1b): Bind for 0.0.0.0:8080 failed: port is already allocated",
      /^port 8080 of this node is taken/,
    ],
    [
      "driver failed programming external connectivity on endpoint shop-web-1 (0a1b): Error starting userland proxy: listen tcp4 0.0.0.0:80: bind: address already in use",
      /^port 80 of this node is taken/,
    ],
    ['invalid mount config for type "bind": bind source path does not exist: /mnt/usb', /^this node has no \/mnt\/usb/],
    [
      '(HTTP code 500) server error - Get "https://r.test/v2/": dial tcp: lookup r.test on 10.0.0.1:53: dial udp 10.0.0.1:53: connect: network is unreachable',
      /^this node cannot find r\.test: .*\(engine: ….*network is unreachable\)$/,
    ],
    ["manifest for r.test/web:9 not found: manifest unknown: manifest unknown", /no such image or tag/],
    ["pull access denied for web, repository does not exist or may require 'docker login'", /needs a login/],
    ["no matching manifest for linux/arm/v7 in the manifest list entries", /not made for linux\/arm\/v7/],
    ["Minimum memory limit allowed is 6MB", /^create shop-web-1: Minimum memory limit allowed is 6MB$/],
  ])("[E55] %s is said in plain words", (message, words) => {
    expect(plainly("create shop-web-1", message)).toMatch(words);
  });

  test("[C279] a registry that does not give an image out is named, with whether it was shown a credential", () => {
    const said = plainly("pull r.test/web:1", "unauthorized: authentication required");
    expect(notGivenOut("r.test", false, said)).toBe(
      "registry r.test does not give it out and was shown no credential: it needs one, or has no such image (engine: unauthorized: authentication required)",
    );
    expect(notGivenOut("r.test", true, said)).toBe(
      "registry r.test refused the credential that it was shown, or has no such image for it (engine: unauthorized: authentication required)",
    );
  });

  test("[E47] no answer is unreachable: the outcome is unknown, and the words name the socket and the next step", () => {
    const failed = (error: unknown) => toEngineError("ping", "read", "/run/d.sock", error);
    const withCode = (code: string) => Object.assign(new Error("failed"), { code });
    for (const code of ["ENOENT", "ECONNREFUSED", "EACCES", "ECONNRESET", "EPIPE"]) {
      expect(failed(withCode(code))).toMatchObject({
        kind: "unreachable",
        message: expect.stringContaining("/run/d.sock"),
      });
    }
    expect(failed(withCode("EACCES")).message).toMatch(/group docker/);
    expect(failed(new DeadlineError("ping", 5_000))).toMatchObject({
      kind: "unreachable",
      message: expect.stringContaining("ping took over 5 s"),
    });
    const answered = Object.assign(new Error("(HTTP code 500)"), {
      statusCode: 500,
      json: { message: "a\nb\u001b[31m" },
    });
    expect(failed(answered)).toMatchObject({ kind: "retry", message: "ping: a b [31m" });
  });

  test("[E48] an answer that is broken off is an error, never an empty list or a container without its fields", () => {
    expect(() => containerSummary({ ...item, Id: undefined })).toThrow(/lacks a container's id/);
    expect(() => containerSummary({ ...item, State: "floating" })).toThrow(/unknown state/);
    expect(() => containerDetails(Buffer.from('{"Id":"c1"'), () => 0)).toThrow(/broken off/);
    expect(() => containerDetails({ Id: "c1", HostConfig: {} }, () => 0)).toThrow(/broken off/);
    expect(containerSummary(item)).toMatchObject({
      id: "c1",
      name: "web",
      health: "starting",
      labels: {},
      endpoints: [],
      publishedPorts: [],
    });
  });

  test.each([
    ["1.41", "1.12", 41],
    ["1.50", "1.24", 47],
    ["1.44", "1.44", 44],
  ])("[E49] an engine that speaks %s and takes %s is spoken to in 1.%i", (newest, oldest, minor) => {
    expect(agreedMinor(newest, oldest, "x")).toBe(minor);
  });

  test("[E50] an engine that is too old, or too new, is refused with what to upgrade", () => {
    expect(() => agreedMinor("1.40", "1.12", "19.03")).toThrow(/19\.03.*Upgrade Docker/);
    expect(() => agreedMinor("1.99", "1.60", "99.0")).toThrow(/99\.0.*Upgrade Skerry/);
    expect(() => agreedMinor("", "", "")).toThrow(/which API/);
  });

  test.each([
    ["web", "web", "latest"],
    ["web:1", "web", "1"],
    ["host:5000/shop/web", "host:5000/shop/web", "latest"],
    ["host:5000/shop/web:1", "host:5000/shop/web", "1"],
    ["host:5000/web:1@sha256:ab", "host:5000/web", "sha256:ab"],
    ["web@sha256:ab", "web", "sha256:ab"],
  ])("[E51] %s is pulled as one image", (reference, fromImage, tag) => {
    expect(imageQuery(reference)).toEqual({ fromImage, tag });
  });

  test("[E52] streams are read line by line wherever they are cut, and a broken line ends them", async () => {
    const lines: unknown[] = [];
    await readJsonLines(Readable.from(['{"a":', "1}\n{", '"b":2}\r\n\n{"c":3}']), (line) => lines.push(line));
    expect(lines).toEqual([{ a: 1 }, { b: 2 }, { c: 3 }]);
    await expect(readJsonLines(Readable.from(["{broken\n"]), () => undefined)).rejects.toThrow();
    await expect(readJsonLines(Readable.from([`"${"x".repeat(1_100_000)}`]), () => undefined)).rejects.toThrow(
      /a line/,
    );
  });

  test.each([0, 1, 2])("[E86] a terminal's output that begins with byte %i is no frame", async (byte) => {
    const output = Buffer.from([byte, ...Buffer.from("not a frame\nat all\n")]);
    const options = { onTerminal: true, lines: 50, maxBytes: 8_192 };
    expect(await readTail(Readable.from([output]), options)).toEqual(["not a frame", "at all"]);
  });

  test("[E86] without a terminal frames are taken off, in any pieces", async () => {
    const frame = (text: string): Buffer => Buffer.from([1, 0, 0, 0, 0, 0, 0, text.length, ...Buffer.from(text)]);
    const bytes = Buffer.concat([frame("one\n"), frame("tw"), frame("o\n")]);
    for (const size of [1, 7, 1_000]) {
      const chunks: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
      const options = { onTerminal: false, lines: 50, maxBytes: 8_192 };
      expect(await readTail(Readable.from(chunks), options)).toEqual(["one", "two"]);
      expect(await readBeginning(Readable.from(chunks), 5)).toBe("one\nt");
    }
  });

  test("[E53] a pull's bytes are those of its layers, and an error in the stream is its outcome", () => {
    const tally = new PullTally();
    const down = (id: string, current: number, total: number) =>
      tally.add({ id, status: "Downloading", progressDetail: { current, total } });
    down("a", 10, 100);
    down("b", 50, 50);
    down("a", 60, 100);
    expect(tally.now()).toMatchObject({ doneBytes: 110, totalBytes: 150 });
    tally.add({ id: "a", status: "Download complete" });
    expect(tally.now()).toMatchObject({ doneBytes: 150, totalBytes: 150 });
    expect(tally.add({ error: "manifest unknown" })).toBe("manifest unknown");
  });

  test("[E82] a layer counts as done when it is unpacked or was there; what is said of the tag is no layer", () => {
    const tally = new PullTally();
    const counts = (): readonly number[] => [tally.now().doneLayers, tally.now().totalLayers];
    tally.add({ id: "1.4", status: "Pulling from shop/web" });
    for (const id of ["a", "b", "c"]) tally.add({ id, status: "Pulling fs layer" });
    tally.add({ id: "d", status: "Already exists" });
    expect(counts()).toEqual([1, 4]);
    tally.add({ id: "a", status: "Downloading", progressDetail: { current: 5, total: 5 } });
    tally.add({ id: "a", status: "Download complete" });
    tally.add({ id: "a", status: "Extracting", progressDetail: { current: 9, total: 90 } });
    expect(counts()).toEqual([1, 4]);
    tally.add({ id: "a", status: "Pull complete" });
    tally.add({ status: "Digest: sha256:00" });
    expect(counts()).toEqual([2, 4]);
    expect(tally.now()).toMatchObject({ doneBytes: 5, totalBytes: 5 });
    for (let number = 0; number < 2_000; number += 1) tally.add({ id: `x${number}`, status: "Waiting" });
    expect(tally.now().totalLayers).toBe(1_000);
  });
});
