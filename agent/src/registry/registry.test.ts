// Asking registries for sizes: names, documents, tokens, and servers that lie, hang or send too much. Over real sockets.
import { createHash } from "node:crypto";
import { createServer, type RequestListener, type Server } from "node:http";
import { imageName, registryNamed } from "@skerry/shared/model/image-name.ts";
import type { RegistryLogin } from "@skerry/shared/model/registry-login.ts";
import { afterEach, describe, expect, test } from "vitest";
import { isInsecure } from "./insecure.ts";
import { chooseImage, readChallenge } from "./manifest.ts";
import { layersOf } from "./registry.ts";

const digestOf = (text: string): string => `sha256:${createHash("sha256").update(text).digest("hex")}`;
const CONFIG = JSON.stringify({ rootfs: { type: "layers", diff_ids: ["sha256:one", "sha256:two"] } });
const IMAGE = JSON.stringify({
  config: { digest: digestOf(CONFIG), size: CONFIG.length },
  layers: [
    { digest: digestOf("1"), size: 1_000 },
    { digest: digestOf("2"), size: 2_000 },
  ],
});
const platform = (architecture: string, digest: string, variant?: string) => ({
  digest,
  platform: { os: "linux", architecture, ...(variant === undefined ? {} : { variant }) },
});
const INDEX = JSON.stringify({
  manifests: [platform("amd64", digestOf("other")), platform("arm64", digestOf(IMAGE), "v8")],
});
const LAYERS = [
  { id: "sha256:one", bytes: 1_000 },
  { id: "sha256:two", bytes: 2_000 },
];

let servers: Server[] = [];
afterEach(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  servers = [];
});

/** The host of a server on loopback, which is asked without TLS. */
function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(`127.0.0.1:${typeof address === "object" ? address?.port : ""}`);
    });
  });
}

/** Documents by path below /v2. */
const documents =
  (found: Readonly<Record<string, string>>): RequestListener =>
  (request, response) => {
    const text = found[(request.url ?? "").replace("/v2", "")];
    response.writeHead(text === undefined ? 404 : 200).end(text ?? "{}");
  };

const SHOP = {
  "/shop/web/manifests/1": INDEX,
  [`/shop/web/manifests/${digestOf(IMAGE)}`]: IMAGE,
  [`/shop/web/blobs/${digestOf(CONFIG)}`]: CONFIG,
};

const ask = (
  reference: string,
  signal: AbortSignal = new AbortController().signal,
  login: RegistryLogin | null = null,
) => layersOf(reference, { platform: "linux/arm64", insecure: [], login, signal });

describe("names", () => {
  test.each([
    ["web", "registry-1.docker.io", "library/web", "latest"],
    ["shop/web:2", "registry-1.docker.io", "shop/web", "2"],
    ["docker.io/web:2", "registry-1.docker.io", "library/web", "2"],
    ["r.test/web", "r.test", "web", "latest"],
    ["10.0.0.9:5000/a/b:v1", "10.0.0.9:5000", "a/b", "v1"],
    ["localhost/web", "localhost", "web", "latest"],
    [`r.test/web:2@${digestOf("x")}`, "r.test", "web", digestOf("x")],
  ])("[N161] %s is asked of %s as %s at %s", (reference, host, repository, version) => {
    const registry = host === "registry-1.docker.io" ? "docker.io" : host;
    expect(imageName(reference)).toEqual({ registry, host, repository, version });
  });

  test.each(["", "Web", "r.test/../x", "web:2 3", "web@sha256:12"])("[N161] %j is left to the engine", (reference) => {
    expect(imageName(reference)).toBeNull();
  });

  test.each([
    ["127.0.0.1:5000", [], true],
    ["localhost:5000", [], true],
    ["10.1.2.3:5000", [], false],
    ["10.1.2.3:5000", ["10.1.0.0/16"], true],
    ["10.2.2.3:5000", ["10.1.0.0/16"], false],
    ["r.test:5000", ["r.test:5000"], true],
    ["r.test:5001", ["r.test:5000"], false],
  ] as const)("[N161] %s, with %j told to the engine: without TLS is %s", (host, insecure, plain) => {
    expect(isInsecure(host, insecure)).toBe(plain);
  });
});

describe("sizes", () => {
  test("[N161] of the image for this node's own platform, with what each layer is once unpacked", async () => {
    const host = await serve(documents(SHOP));
    expect(await ask(`${host}/shop/web:1`)).toEqual(LAYERS);
    expect(await ask(`${host}/shop/web:2`)).toBeNull();
  });

  test("[N161] without its configuration the layers' sizes alone", async () => {
    const host = await serve(documents({ "/shop/web/manifests/1": IMAGE }));
    expect(await ask(`${host}/shop/web:1`)).toEqual(LAYERS.map(({ bytes }) => ({ id: null, bytes })));
  });

  test("[N161] an anonymous token is fetched where one is asked for, and not sent to where a blob is kept", async () => {
    const stored: (string | undefined)[] = [];
    const store = await serve((request, response) => {
      stored.push(request.headers.authorization);
      response.end(CONFIG);
    });
    const host = await serve((request, response) => {
      const url = new URL(request.url ?? "", "http://r.test");
      if (url.pathname === "/token") {
        return response.end(JSON.stringify({ token: `for ${url.searchParams.get("scope")}` }));
      }
      if (request.headers.authorization !== "Bearer for repository:shop/web:pull") {
        const challenge = `Bearer realm="http://${request.headers.host}/token",service="r"`;
        return response.writeHead(401, { "www-authenticate": challenge }).end();
      }
      if (url.pathname.includes("/blobs/")) return response.writeHead(307, { location: `http://${store}/blob` }).end();
      return documents(SHOP)(request, response);
    });
    expect(await ask(`${host}/shop/web:1`)).toEqual(LAYERS);
    expect(stored).toEqual([undefined]);
  });

  test("[C278] a registry's basic and token questions are answered with the credential, and nobody else is shown it", async () => {
    const login = { user: "farm", password: "pa:ss" };
    const basic = `Basic ${Buffer.from("farm:pa:ss").toString("base64")}`;
    const elsewhere: (string | undefined)[] = [];
    const store = await serve((request, response) => {
      elsewhere.push(request.headers.authorization);
      response.end(CONFIG);
    });
    const asks = (challenge: (host: string) => string, wanted: string): RequestListener => {
      return (request, response) => {
        const { authorization, host = "" } = request.headers;
        if (request.url?.startsWith("/token")) {
          return response.writeHead(authorization === basic ? 200 : 401).end(JSON.stringify({ token: "t" }));
        }
        if (authorization !== wanted) return response.writeHead(401, { "www-authenticate": challenge(host) }).end();
        if (request.url?.includes("/blobs/")) return response.writeHead(307, { location: `http://${store}/b` }).end();
        return documents(SHOP)(request, response);
      };
    };
    const byPassword = await serve(asks(() => 'Basic realm="r"', basic));
    const byToken = await serve(asks((host) => `Bearer realm="http://${host}/token",service="r"`, "Bearer t"));
    const open = new AbortController().signal;
    for (const host of [byPassword, byToken]) {
      expect(await ask(`${host}/shop/web:1`, open, login)).toEqual(LAYERS);
      expect(await ask(`${host}/shop/web:1`, open, { ...login, password: "other" })).toBeNull();
      expect(await ask(`${host}/shop/web:1`)).toBeNull();
    }
    expect(elsewhere).toEqual([undefined, undefined]);
  });

  test.each([
    ["ghcr.io", "ghcr.io"],
    ["https://index.docker.io/v1/", "docker.io"],
    ["Registry.Example:5000/", "registry.example:5000"],
    ["docker.io", "docker.io"],
    ["[::1]:5000", "[::1]:5000"],
    ["registry.example/team", null],
    ["user@registry.example", null],
    ["", null],
    ["a b", null],
  ])("[C270] %j names the registry %j", (text, registry) => {
    expect(registryNamed(text)).toBe(registry);
  });

  test("[N161] a registry that asks for a password, sends nonsense, too much, or round in circles says nothing", async () => {
    const password = await serve((_, response) => {
      response.writeHead(401, { "www-authenticate": 'Basic realm="r"' }).end();
    });
    const nonsense = await serve((_, response) => response.end("<html>"));
    const circle = await serve((request, response) => {
      response.writeHead(302, { location: request.url ?? "/" }).end();
    });
    const much = await serve((_, response) => {
      for (let part = 0; part < 6; part += 1) response.write("x".repeat(1_048_576));
      response.end();
    });
    for (const host of [password, nonsense, circle, much]) expect(await ask(`${host}/shop/web:1`)).toBeNull();
  });

  test("[N161] a registry that hangs is given up with the pull, and one that is away says nothing", async () => {
    const stop = new AbortController();
    const host = await serve(() => stop.abort());
    expect(await ask(`${host}/shop/web:1`, stop.signal)).toBeNull();
    expect(await ask("127.0.0.1:1/shop/web:1")).toBeNull();
  });

  test.each([
    ["linux/arm64", "b"],
    ["linux/arm/v7", "v7"],
    ["linux/arm", null],
    ["linux/riscv64", null],
    ["windows/amd64", null],
  ])("[N161] of an index, %s is %s", (wanted, found) => {
    const manifests = [
      platform("amd64", "a"),
      platform("arm64", "b", "v8"),
      platform("arm", "v6", "v6"),
      platform("arm", "v7", "v7"),
    ];
    expect(chooseImage({ manifests }, wanted)).toBe(found);
  });

  test("[N161] a challenge is read whatever its order; one for anything else than a token is none", () => {
    const challenge = readChallenge('Bearer scope="a:b",realm="https://r.test/token",service="r"');
    expect(challenge).toEqual({ realm: "https://r.test/token", service: "r", scope: "a:b" });
    expect(readChallenge('Basic realm="r"')).toBeNull();
    expect(readChallenge('Bearer realm="not an address"')).toBeNull();
    expect(readChallenge(undefined)).toBeNull();
  });
});
