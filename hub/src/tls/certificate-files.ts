// The operator's own certificate and key: read at start, checked, and refused in words. The pin is that of the key, so a renewed certificate with
// the same key changes nothing for nodes.
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { pinOf } from "@skerry/shared/protocol/pin.ts";
import { err, ok, type Result } from "@skerry/shared/runtime/result.ts";

export interface FileKey {
  readonly pin: string;
  credentials(): { readonly key: string; readonly cert: string };
}

export function readCertificateFiles(certFile: string, keyFile: string): Result<FileKey, string> {
  const cert = read("--tls-cert", certFile);
  if (!cert.ok) return cert;
  const key = read("--tls-key", keyFile);
  if (!key.ok) return key;
  const privateKey = attempt(() => createPrivateKey(key.value));
  if (privateKey === null) {
    const why = key.value.includes("ENCRYPTED")
      ? "is encrypted: give one without a passphrase"
      : "holds no private key in PEM";
    return err(`--tls-key ${keyFile} ${why}.`);
  }
  const certificate = attempt(() => new X509Certificate(cert.value));
  if (certificate === null) return err(`--tls-cert ${certFile} holds no certificate in PEM.`);
  if (!certificate.checkPrivateKey(privateKey)) {
    return err(
      `The key in ${keyFile} is not the one of the first certificate in ${certFile}. Give the two that belong together, the server's own certificate first.`,
    );
  }
  const pin = pinOf(createPublicKey(privateKey));
  return ok({ pin, credentials: () => ({ key: key.value, cert: cert.value }) });
}

function read(flag: string, file: string): Result<string, string> {
  try {
    return ok(readFileSync(file, "utf8"));
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    const why =
      code === "ENOENT"
        ? "is not there"
        : code === "EACCES"
          ? "may not be read by this user"
          : `cannot be read (${code})`;
    return err(`${flag} ${file} ${why}.`);
  }
}

function attempt<T extends KeyObject | X509Certificate>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
