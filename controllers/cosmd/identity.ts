import { statSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import type { AuditOptions } from '../../api/server/audit/auditing.ts';
import { auditFile } from '../../api/server/audit/file-sink.ts';
import type { AuditSink } from '../../api/server/audit/log.ts';
import type {
  IdentityOptions,
  ServiceAccountKeys,
  ServiceAccountOptions,
} from '../../api/server/authentication/identity.ts';
import {
  parseSigningKey,
  parseVerifyingKeys,
  SigningKeyError,
} from '../../api/server/authentication/signing-keys.ts';
import {
  parseTokenFile,
  TokenFileError,
  type TokenFile,
} from '../../api/server/authentication/static-tokens.ts';
import { assertAuthorities, TlsError } from '../../api/server/http/tls.ts';
import { ConfigError, readBytes, readText, type Config } from './config.ts';

type ApiConfig = NonNullable<Config['api']>;

/** Whom the API knows, by the files that the configuration names. Throws ConfigError. */
export function identityOptions({ tokenFile, serviceAccounts, oidc }: ApiConfig): IdentityOptions {
  return {
    ...(tokenFile === undefined ? {} : { staticTokens: staticTokens(tokenFile) }),
    ...(serviceAccounts === undefined
      ? {}
      : { serviceAccounts: serviceAccountOptions(serviceAccounts) }),
    ...(oidc === undefined ? {} : { oidc: oidcOptions(oidc) }),
  };
}

/** Where the API writes down who did what, if anywhere. */
export function auditOptions({ audit }: ApiConfig): AuditOptions | undefined {
  if (audit === undefined) return undefined;
  const sink = audit.file === '-' ? standardOutput : auditFile(audit.file);
  return { sink, rules: audit.rules };
}

const standardOutput: AuditSink = {
  write: (lines) =>
    new Promise((resolve, reject) => {
      process.stdout.write(lines, (error) => {
        if (error === null || error === undefined) resolve();
        else reject(error);
      });
    }),
};

function staticTokens(path: string): NonNullable<IdentityOptions['staticTokens']> {
  const field = 'api.tokenFile';
  const file: TokenFile = {
    version: async () => versionOf(await stat(path)),
    read: () => readFile(path, 'utf8'),
  };
  const version = checked(field, () => versionOf(statSync(path)));
  const table = checked(field, () => parseTokenFile(readText(path, field)));
  return { file, table, version };
}

function versionOf({ mtimeMs, size, ino }: { mtimeMs: number; size: number; ino: number }): string {
  return `${mtimeMs} ${size} ${ino}`;
}

function serviceAccountOptions(
  config: NonNullable<ApiConfig['serviceAccounts']>,
): ServiceAccountOptions {
  const { signingKeyFile, keyFiles, ...rest } = config;
  return { ...rest, ...serviceAccountKeys({ signingKeyFile, keyFiles }) };
}

/** The keys that tokens are signed and known by. Throws ConfigError. */
export function serviceAccountKeys({
  signingKeyFile,
  keyFiles,
}: Pick<
  NonNullable<ApiConfig['serviceAccounts']>,
  'signingKeyFile' | 'keyFiles'
>): ServiceAccountKeys {
  const field = 'api.serviceAccounts.signingKeyFile';
  return {
    signingKey: checked(field, () => parseSigningKey(readText(signingKeyFile, field))),
    keys: keyFiles.flatMap((path, index) => {
      const at = `api.serviceAccounts.keyFiles[${index}]`;
      return checked(at, () => parseVerifyingKeys(readText(path, at)));
    }),
  };
}

function oidcOptions({
  caFile,
  ...claims
}: NonNullable<ApiConfig['oidc']>): NonNullable<IdentityOptions['oidc']> {
  return {
    claims,
    ...(caFile === undefined ? {} : { ca: oidcAuthorities(caFile) }),
  };
}

/** Who must have signed the OIDC provider, in PEM. Throws ConfigError. */
export function oidcAuthorities(caFile: string): Buffer {
  const field = 'api.oidc.caFile';
  const pem = readBytes(caFile, field);
  checked(field, () => assertAuthorities(pem, 'the authorities of the provider'));
  return pem;
}

/** What is wrong with a file is said with the field that names it. */
function checked<T>(field: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    if (isOfFiles(error) || isSystem(error)) {
      throw new ConfigError(`${field}: ${error.message}`, { cause: error });
    }
    throw error;
  }
}

function isOfFiles(error: unknown): error is Error {
  return [TokenFileError, SigningKeyError, TlsError].some((kind) => error instanceof kind);
}

function isSystem(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error;
}
