// A certificate for the hub's own key, as TLS needs one. Nodes and the command line look at its key alone; names and dates are for browsers and
// other tools. Its dates never end anything: a node may come back after years, with a clock that is wrong by decades. Loaded only when a
// certificate has to be made: the packages are half a second of start, and megabytes.
// What the other package needs to be there first.
import "reflect-metadata";
import { createPrivateKey, createPublicKey, type KeyObject, webcrypto } from "node:crypto";
import { hostname, networkInterfaces } from "node:os";
import * as x509 from "@peculiar/x509";

const FIRST_DAY = new Date("1970-01-01T00:00:00Z");
/** RFC 5280's own "never": 9999-12-31 23:59:59. */
const LAST_DAY = new Date("9999-12-31T23:59:59Z");
/** Browsers take P-256 and no Ed25519 in certificates. */
const P256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
/** id-kp-serverAuth. */
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
/** A machine has a few addresses; each container network adds one. */
const MAX_NAMES = 64;

type Name = { readonly type: "dns" | "ip"; readonly value: string };

/** What this machine may be called now. */
export function ownNames(): readonly Name[] {
  const host = hostname();
  const isDns = /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(host) && host !== "localhost";
  const addresses = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    // A link-local address means something only together with an interface.
    .filter(({ internal, address }) => !internal && !/^fe80:/i.test(address))
    .map(({ address }): Name => ({ type: "ip", value: address }));
  const names: readonly Name[] = [
    { type: "dns", value: "localhost" },
    { type: "ip", value: "127.0.0.1" },
    { type: "ip", value: "::1" },
    ...(isDns ? [{ type: "dns", value: host } as const] : []),
    ...addresses,
  ];
  return names.slice(0, MAX_NAMES);
}

/** PEM. `privateKey`: of P-256, PEM. `serial`: hex, random, so that browsers tell the certificates of two hubs apart. */
export async function makeCertificate(privateKey: string, names: readonly Name[], serial: string): Promise<string> {
  const key = createPrivateKey(privateKey);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serial,
      name: "CN=Skerry hub",
      notBefore: FIRST_DAY,
      notAfter: LAST_DAY,
      signingAlgorithm: P256,
      keys: { privateKey: cryptoKey(key, "sign"), publicKey: cryptoKey(createPublicKey(key), "verify") },
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([SERVER_AUTH]),
        new x509.SubjectAlternativeNameExtension([...names]),
      ],
    },
    webcrypto,
  );
  return `${certificate.toString("pem")}\n`;
}

const cryptoKey = (key: KeyObject, use: "sign" | "verify"): webcrypto.CryptoKey => key.toCryptoKey(P256, true, [use]);
